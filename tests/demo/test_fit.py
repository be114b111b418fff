"""The demo shop is fitted to real figures: each within a stated tolerance, all of them of the whole shop at once."""

import csv
import gzip
from collections import Counter

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from evershelf.demo import targets

CURVE_TOLERANCE = 0.05
RATE_TOLERANCE = 0.01


def test_buyers_buy_as_many_distinct_items_as_customers_of_online_retail(shop):
    # Promise: distinct items bought per buying user, p10/p50/p90 = 7/35/143 within 5 %.
    counts = list(Counter(user for user, _ in shop.pairs("purchase")).values())
    for percentile, real in targets.DISTINCT_BOUGHT.items():
        assert np.percentile(counts, percentile) == pytest.approx(real, rel=CURVE_TOLERANCE)


def test_buyers_go_through_the_funnel_of_retailrocket(shop):
    # Promise: distinct (user, item) pairs that buyers viewed : carted : bought = 75,374 : 12,456 : 9,551 within 1 %.
    bought = shop.pairs("purchase")
    buyers = {user for user, _ in bought}
    viewed, carted = ({pair for pair in shop.pairs(kind) if pair[0] in buyers} for kind in ("view_item", "add_to_cart"))
    view, cart, buy = targets.BUYERS_VIEW_CART_BUY
    assert len(viewed) / len(bought) == pytest.approx(view / buy, rel=RATE_TOLERANCE)
    assert len(carted) / len(bought) == pytest.approx(cart / buy, rel=RATE_TOLERANCE)
    assert len(bought & viewed) / len(bought) == pytest.approx(targets.BOUGHT_AND_VIEWED_SHARE, rel=RATE_TOLERANCE)


def test_all_visitors_view_cart_and_buy_at_the_rates_of_rees46(shop):
    # Promise: events of everybody, view : cart : purchase = 17,056 : 165 : 214 within 1 %; carts are fewer than buys.
    counts = shop.report.events_by_type
    view, cart, buy = targets.VISITORS_VIEW_CART_BUY
    assert counts["view_item"] / counts["purchase"] == pytest.approx(view / buy, rel=RATE_TOLERANCE)
    assert counts["add_to_cart"] / counts["purchase"] == pytest.approx(cart / buy, rel=RATE_TOLERANCE)


def test_repeats_and_guests_are_those_of_online_retail(shop):
    # Promise: what makes the three fits possible at once is real too: repeated purchases and unknown customers.
    purchases = shop.kind == "purchase"
    known = int((purchases & (shop.user >= 0)).sum())
    assert known / len(shop.pairs("purchase")) == pytest.approx(targets.PURCHASES_PER_PAIR, rel=RATE_TOLERANCE)
    assert 1 - known / purchases.sum() == pytest.approx(targets.GUEST_SHARE, rel=RATE_TOLERANCE)


def test_online_retail_figures_are_the_data_s_own(shared_data):
    # Promise: the figures we fit to are recomputed from the data itself.
    table = pq.read_table(shared_data / "uci-online-retail" / "online_retail.parquet")
    assert table["CustomerID"].null_count / table.num_rows == pytest.approx(targets.GUEST_SHARE)
    clean = pc.and_(pc.greater(table["Quantity"], 0), pc.greater(table["UnitPrice"], 0))
    clean = pc.and_(clean, pc.invert(pc.starts_with(table["InvoiceNo"], "C")))
    clean = pc.and_(clean, pc.match_substring_regex(table["StockCode"], r"^\d{5}"))
    clean = pc.and_(clean, pc.is_valid(table["CustomerID"]))
    lines = table.filter(clean)
    pairs = lines.group_by(["CustomerID", "StockCode"]).aggregate([]).group_by("CustomerID")
    counts = pairs.aggregate([("StockCode", "count")])["StockCode_count"].to_numpy()
    percentiles = np.percentile(counts, list(targets.DISTINCT_BOUGHT)).round()
    assert percentiles.tolist() == list(targets.DISTINCT_BOUGHT.values())
    assert lines.num_rows / counts.sum() == pytest.approx(targets.PURCHASES_PER_PAIR)


def test_retailrocket_figures_are_the_data_s_own(shared_data):
    # Promise: as above; rows of the training part, one a (user, item, behaviour).
    rows = pq.read_table(shared_data / "multi-behavior" / "retail_rocket.parquet").to_pydict()
    pairs = {"view": set(), "cart": set(), "buy": set()}
    for user, item, behavior, split in zip(rows["user"], rows["item"], rows["behavior"], rows["split"], strict=True):
        if split == "train":
            pairs[behavior].add((user, item))
    assert tuple(len(pairs[name]) for name in ("view", "cart", "buy")) == targets.BUYERS_VIEW_CART_BUY
    assert len(pairs["buy"] & pairs["view"]) / len(pairs["buy"]) == pytest.approx(targets.BOUGHT_AND_VIEWED_SHARE)


def test_rees46_figures_are_the_data_s_own(shared_data):
    # Promise: as above; events of the sample by type.
    with gzip.open(shared_data / "rees46-sample" / "2019-Oct-first-events.csv.gz", "rt") as file:
        counts = Counter(row["event_type"] for row in csv.DictReader(file))
    assert tuple(counts[name] for name in ("view", "cart", "purchase")) == targets.VISITORS_VIEW_CART_BUY
