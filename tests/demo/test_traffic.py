"""Simulated shoppers: bounded in rate, believable in what they like, and harmless to a shop that is away."""

from collections import Counter
from datetime import UTC, datetime
from random import Random

import pytest

from evershelf.demo.shop import generate_shop
from evershelf.demo.tastes import read_tastes
from evershelf.demo.traffic import Traffic
from evershelf.demo.visits import Shown

UNTIL = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def tastes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shop")
    generate_shop(folder, seed=3, until=UNTIL)
    return read_tastes(folder)


class FakeShop:
    """Fills shelves for a known user with what fits the favourite taste, for others with anything; keeps all events."""

    def __init__(self, tastes, *, away=False):
        self.tastes = tastes
        self.chance = Random(1)
        self.away = away
        self.events = []
        self.sources = {}

    def recommend(self, shopper, ask):
        if self.away:
            return None
        mix = self.tastes.mix.get(shopper.user_id)
        source = "model" if mix is not None else "popular"
        taste = mix.index(max(mix)) if mix is not None else None
        item_ids = [
            self.tastes.found_alone(self.chance.randrange(22) if taste is None else taste, self.chance)
            for _ in range(10)
        ]
        shown = Shown(f"{self.chance.getrandbits(64):x}", ask.placement, list(dict.fromkeys(item_ids)))
        self.sources[shown.recommendation_id] = source
        return shown

    def report(self, report):
        self.events += [] if self.away else report.events
        return not self.away


class FakeTime:
    """Time that passes only while somebody sleeps."""

    def __init__(self):
        self.now_s = 0.0

    def sleep(self, seconds):
        self.now_s += seconds

    def clock_s(self):
        return self.now_s


def run(shop, tastes, *, requests, rate=50.0):
    time = FakeTime()
    traffic = Traffic(
        shop, tastes, requests_per_s=rate, shoppers_max=8, chance=Random(2), sleep=time.sleep, clock_s=time.clock_s
    )
    traffic.run(requests_max=requests)
    return traffic, time


def test_the_tastes_are_those_of_the_shop(tastes):
    # Promise: what is drawn again from the seed is what the shop was made of: the tag of every item names its taste.
    assert len(tastes.mix) == 5_000
    assert all(abs(sum(mix) - 1) < 1e-9 for mix in tastes.mix.values())
    assert {tastes.taste_of[tastes.found_alone(4, Random(n))] for n in range(50)} == {4}


def test_shoppers_view_click_cart_and_buy_what_they_were_shown(tastes):
    # Promise: all kinds of events come, impressions most; what was led to by a list names its recommendation.
    shop = FakeShop(tastes)
    run(shop, tastes, requests=4_000)
    kinds = Counter(event["event_type"] for event in shop.events)
    assert kinds["view_item_list"] > kinds["select_item"] > kinds["add_to_cart"] > kinds["purchase"] > 0
    clicks = [event for event in shop.events if event["event_type"] == "select_item"]
    assert all(event["recommendation_id"] in shop.sources for event in clicks)
    assert len({event["event_id"] for event in shop.events}) == len(shop.events)


def test_shoppers_click_what_they_like(tastes):
    # Promise: a list that fits gets a better click-through than one that does not: the sources can be told apart.
    shop = FakeShop(tastes)
    run(shop, tastes, requests=6_000)
    shown, clicked = Counter(), Counter()
    for event in shop.events:
        if event["event_type"] in {"view_item_list", "select_item"}:
            counts = shown if event["event_type"] == "view_item_list" else clicked
            counts[shop.sources[event["recommendation_id"]]] += 1
    assert clicked["model"] / shown["model"] > 1.5 * clicked["popular"] / shown["popular"]


def test_the_rate_is_bounded(tastes):
    # Promise: never more requests than the rate allows; time lost is not made up for in a burst.
    traffic, time = run(FakeShop(tastes), tastes, requests=500, rate=20.0)
    assert traffic.counts["requests"] == 500
    assert time.now_s >= 499 / 20


def test_a_shop_that_is_away_is_not_hammered(tastes):
    # Promise: after each failure there is a pause; shoppers go on living, and no visit is lost in an error.
    traffic, time = run(FakeShop(tastes, away=True), tastes, requests=20)
    assert traffic.counts["failures"] == 20
    assert time.now_s >= 20
