"""What the demo shop's shoppers like: the generator's hidden tastes, drawn again from the shop's seed."""

import json
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate
from pathlib import Path
from random import Random

import numpy as np

from evershelf.demo.catalog import draw_catalog
from evershelf.demo.departments import TASTES
from evershelf.demo.shoppers import draw_names, draw_shoppers


@dataclass(frozen=True)
class Tastes:
    """`mix` gives each user's weights over TASTES; `taste_of` each item's; `liked` each taste's items and appeal."""

    mix: Mapping[str, Sequence[float]]
    taste_of: Mapping[str, int]
    liked: Sequence[tuple[Sequence[str], Sequence[float]]]  # item ids, cumulative appeal

    def session_taste(self, user_id: str | None, chance: Random) -> int:
        """What a user, or an unknown visitor, is in the mood for."""
        weights = self.mix.get(user_id) if user_id is not None else None
        return chance.choices(range(len(TASTES)), weights)[0]

    def found_alone(self, taste: int, chance: Random) -> str | None:
        """An item of this taste that one comes upon without a recommendation, the appealing ones more often."""
        item_ids, appeal = self.liked[taste]
        return item_ids[bisect_left(appeal, chance.random() * appeal[-1])] if item_ids else None

    def fits(self, item_id: str, taste: int) -> bool:
        """Whether the item is of this taste."""
        return self.taste_of.get(item_id) == taste


def read_tastes(shop: Path) -> Tastes:
    """The tastes of the shop that `generate_shop` wrote into the folder `shop`. Raises OSError, ValueError."""
    report = json.loads((shop / "shop.json").read_text())
    rng = np.random.default_rng(report["seed"])
    # In the generator's order: what is drawn depends on what was drawn before.
    catalog = draw_catalog(rng, datetime.fromisoformat(report["until"]))
    shoppers = draw_shoppers(rng)
    names = draw_names(rng)
    item_ids = [item.item_id for item in catalog.items]
    liked = []
    for taste in range(len(TASTES)):
        rows = [row for row in np.flatnonzero(catalog.taste == taste).tolist() if catalog.items[row].available]
        liked.append(([item_ids[row] for row in rows], list(accumulate(catalog.appeal[rows].tolist()))))
    return Tastes(
        mix=dict(zip(names, shoppers.mix.tolist(), strict=True)),
        taste_of=dict(zip(item_ids, catalog.taste.tolist(), strict=True)),
        liked=liked,
    )
