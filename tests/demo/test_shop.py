"""The demo shop's files: big enough, valid, current, and the same for the same seed."""

import json
from collections import Counter
from datetime import timedelta, timezone
from uuid import UUID

import numpy as np
import pyarrow.parquet as pq
import pytest

from evershelf.contracts.catalog import Item, User
from evershelf.contracts.events import Event
from evershelf.demo.shop import STAGES, generate_shop, latest_until

DAY_US = 86_400_000_000


def _items(shop):
    return [Item.model_validate_json(line) for line in (shop.folder / "items.jsonl").read_bytes().splitlines()]


def _files(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_same_seed_and_end_give_the_same_bytes(shop, tmp_path):
    # Promise: byte-identical files, whatever zone the end is told in.
    until = np.datetime64(shop.report.until[:19]).item().replace(tzinfo=timezone.utc)  # noqa: UP017 - beside the other zone
    stages = []
    generate_shop(
        tmp_path,
        seed=shop.report.seed,
        until=until.astimezone(timezone(timedelta(hours=5))),
        progress=lambda stage, _share: stages.append(stage),
    )
    assert _files(tmp_path) == _files(shop.folder)
    assert stages == list(STAGES)


def test_the_shop_is_as_big_as_promised(shop):
    # Promise: >= 2,000 items in >= 30 categories, 5,000 users, 300,000 to 600,000 events, a picture an item.
    items = _items(shop)
    users = [User.model_validate_json(line) for line in (shop.folder / "users.jsonl").read_bytes().splitlines()]
    assert len(items) == shop.report.items >= 2_000
    assert len({item.categories[0] for item in items}) == shop.report.categories >= 30
    assert len({user.user_id for user in users}) == 5_000
    assert Counter(user.attributes["segment"] for user in users).keys() == {"trade", "household", "visitor"}
    assert 300_000 <= shop.report.events <= 600_000
    assert shop.kind.size == shop.report.events == sum(shop.report.events_by_type.values())
    assert {path.stem for path in (shop.folder / "pictures").iterdir()} == {item.item_id for item in items}
    assert json.loads((shop.folder / "shop.json").read_text())["events"] == shop.report.events


def test_events_are_valid_and_known(shop):
    # Promise: every event keeps the contract, has an id of its own and names an item and user of the shop.
    table = pq.read_table(shop.folder / "events.parquet")
    ids = table["event_id"].to_pylist()
    assert len(set(ids)) == len(ids)
    assert {UUID(name).version for name in ids[:: len(ids) // 500]} == {7}
    for row in table.take(np.arange(0, len(ids), len(ids) // 500)).to_pylist():
        Event.model_validate(row)
    assert set(table["item_id"].to_pylist()) <= {item.item_id for item in _items(shop)}
    bought = table.filter(np.isin(shop.kind, ["purchase", "add_to_cart"]))
    assert bought["value"].null_count == 0
    assert min(bought["value"].to_pylist()) > 0


def test_events_end_at_the_asked_time(shop):
    # Promise: the window is the half year before `until`; the last hour is not empty, nothing lies outside.
    until_us = int(np.datetime64(shop.report.until[:19], "us").astype(int))
    assert until_us - 3_600_000_000 < shop.at_us.max() <= until_us
    assert until_us - shop.report.days * DAY_US <= shop.at_us.min()
    assert (np.diff(shop.at_us) >= 0).all()


def test_nothing_happens_to_an_item_before_it_is_published_or_long_after_it_expires(shop):
    # Promise: items appear and go; only a session already under way may still meet an item that has just gone.
    table = pq.read_table(shop.folder / "events.parquet")
    items = {item.item_id: item for item in _items(shop)}
    slack_us = 2 * 3_600_000_000
    names = table["item_id"].to_pylist()
    last = dict(zip(names, shop.at_us.tolist(), strict=True))
    first = dict(zip(reversed(names), reversed(shop.at_us.tolist()), strict=True))
    for name, at_us in first.items():
        assert at_us >= items[name].published_at.timestamp() * 1e6 - slack_us
        if items[name].expires_at:
            assert last[name] <= items[name].expires_at.timestamp() * 1e6 + slack_us


def test_there_are_cold_items_and_users_anonymous_sessions_and_items_that_are_gone(shop):
    # Promise: everything that a recommendation service must cope with is there.
    items = _items(shop)
    until = max(item.published_at for item in items) + timedelta(days=1)
    assert sum(item.published_at > until - timedelta(days=4) for item in items) > 20
    assert sum(not item.available for item in items) > 20
    assert sum(item.expires_at is not None for item in items) > 20
    assert 0.1 < (shop.user < 0).mean() < 0.5
    users, first = np.unique(shop.user, return_index=True)
    assert (shop.at_us[first] > shop.at_us.max() - 3 * DAY_US).sum() > 50
    assert users.size > 4_900


def test_popularity_has_a_long_tail_and_days_and_hours_differ(shop):
    # Promise: a fifth of the items draws most of the attention, none drowns the others; nights are quiet.
    counts = np.sort(np.bincount(shop.item))[::-1]
    assert 0.5 < counts[: counts.size // 5].sum() / counts.sum() < 0.9
    assert counts[0] / counts.sum() < 0.03
    hours = np.bincount(shop.at_us // 3_600_000_000 % 24, minlength=24)
    assert hours[3] < hours[20] / 4
    weekdays = np.bincount((shop.at_us // DAY_US + 3) % 7, minlength=7)
    assert weekdays[6] == weekdays.max()


def test_an_end_without_a_zone_is_refused(tmp_path):
    # Promise: no guess about time zones.
    with pytest.raises(ValueError, match="time zone"):
        generate_shop(tmp_path, seed=1, until=np.datetime64("2026-01-01T00:00", "s").item())


def test_the_default_end_is_the_last_full_hour():
    # Promise: never in the future, never more than an hour ago.
    now = np.datetime64("2026-01-01T10:59:59", "s").item().replace(tzinfo=timezone.utc)  # noqa: UP017 - as above
    assert latest_until(now).isoformat() == "2026-01-01T10:00:00+00:00"
