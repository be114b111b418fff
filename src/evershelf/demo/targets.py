"""The real figures that the demo shop is fitted to, and the counts of events that follow from them.

Why all of them can hold of one shop: purchases without an account, and repeated purchases. Let D be the distinct
(user, item) pairs bought under an account. In Online Retail such pairs make 1.489 D purchases (396,337 lines over
266,221 pairs), and one line in four has no known customer (135,080 of 541,909): 1.98 D purchases in all. REES46's
rates then give 1.53 D carts and 158 D views, of which RetailRocket's buyers need only 1.304 D and 7.9 D: the rest
is room for visitors who only look.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np

from evershelf.demo.catalog import Floats, Integers

# Online Retail: distinct items bought per customer at these percentiles.
DISTINCT_BOUGHT = {10: 7, 50: 35, 90: 143}
# RetailRocket, users who buy: distinct (user, item) pairs viewed, carted, bought; bought pairs that were viewed too.
BUYERS_VIEW_CART_BUY = (75_374, 12_456, 9_551)
BOUGHT_AND_VIEWED_SHARE = 8_423 / 9_551
# REES46, first hours of October 2019, all visitors: events.
VISITORS_VIEW_CART_BUY = (17_056, 165, 214)
# Online Retail: purchase lines per distinct pair; share of lines without a known customer.
PURCHASES_PER_PAIR = 396_337 / 266_221
GUEST_SHARE = 135_080 / 541_909

BUYERS = 60
# The ends of the curve between and beyond the three percentiles: the tails are our choice.
SMALLEST_BUYER = 2
LARGEST_BUYER = 260


@dataclass(frozen=True)
class Budget:
    """How many of what the shop must show: pairs are distinct (user, item) of buyers, the rest are events."""

    bought: Integers  # distinct items per buyer, ascending
    viewed: Integers  # distinct items per buyer, without those bought unseen
    bought_unseen: Integers
    carted: Integers
    repeats: Integers  # purchases per buyer beyond the first of each pair
    guest_purchases: int
    passing_carts: int  # carts of everybody who is no buyer
    views: int  # of the whole shop

    @classmethod
    def of_real_figures(cls) -> Self:
        """The counts that meet every figure above at once."""
        bought = _bought_curve()
        # Small buyers look around relatively more: views grow with less than the number bought.
        sightseeing = bought**0.35
        pairs = int(bought.sum())
        view, cart, buy = BUYERS_VIEW_CART_BUY
        carted = _spread(bought * cart / buy)
        viewed = _spread(sightseeing / sightseeing.sum() * pairs * view / buy)
        repeats = _spread(bought * (PURCHASES_PER_PAIR - 1))
        own_purchases = pairs + int(repeats.sum())
        purchases = round(own_purchases / (1 - GUEST_SHARE))
        all_view, all_cart, all_buy = VISITORS_VIEW_CART_BUY
        return cls(
            bought=bought,
            viewed=viewed,
            bought_unseen=_spread(bought * (1 - BOUGHT_AND_VIEWED_SHARE)),
            carted=carted,
            repeats=repeats,
            guest_purchases=purchases - own_purchases,
            passing_carts=round(purchases * all_cart / all_buy) - int(carted.sum()),
            views=round(purchases * all_view / all_buy),
        )


def _bought_curve() -> Integers:
    """BUYERS sizes along the real percentiles, log-linear between them."""
    at = (np.arange(BUYERS) + 0.5) / BUYERS * 100
    knots = {0: SMALLEST_BUYER, **DISTINCT_BOUGHT, 100: LARGEST_BUYER}
    logarithms: Floats = np.interp(at, list(knots), np.log(list(knots.values())))
    return np.round(np.exp(logarithms)).astype(np.int64)


def _spread(exact: Floats) -> Integers:
    """Whole numbers near `exact` whose sum is the rounded sum of `exact`."""
    return np.diff(np.round(np.cumsum(exact)), prepend=0).astype(np.int64)
