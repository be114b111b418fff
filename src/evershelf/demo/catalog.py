"""The demo shop's catalog: items with words, prices and dates, and the hidden taste and appeal of each."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evershelf.contracts.catalog import Item
from evershelf.demo.departments import BRANDS, CATEGORIES, COLOURS, STYLES, TASTES, Category

ITEMS_PER_CATEGORY = (36, 56)
WINDOW_DAYS = 180
# Of the catalog: already there before the window, gone for good, sold out at the end, new within the last days.
OLD_SHARE = 0.72
EXPIRED_SHARE = 0.03
SOLD_OUT_SHARE = 0.04
COLD_SHARE = 0.03
COLD_DAYS = 3
# Popularity falls as (rank + shift)^-exponent: a long tail without a single item that drowns all others.
POPULARITY_EXPONENT = 0.9
POPULARITY_SHIFT = 25

Floats = NDArray[np.floating[Any]]  # Any: numpy widens the width of a power
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Catalog:
    """Items and, in the same order, what only the generator knows of them.

    `category`: index into CATEGORIES; `taste`: index into TASTES; `appeal`: relative popularity, > 0; `born_day` and
    `gone_day`: days since the start of the window between which shoppers can meet the item.
    """

    items: tuple[Item, ...]
    category: Integers
    taste: Integers
    appeal: Floats
    born_day: Floats
    gone_day: Floats


def draw_catalog(rng: np.random.Generator, until: datetime) -> Catalog:
    """More than 2,000 items in all CATEGORIES, the same for the same generator state and `until`."""
    counts = rng.integers(*ITEMS_PER_CATEGORY, size=len(CATEGORIES), endpoint=True)
    category = np.repeat(np.arange(len(CATEGORIES)), counts)
    number = category.size
    born, gone, sold_out = _life(rng, number)
    taste = _tastes(rng, category)
    # Mandelbrot's form of Zipf's law; which item is how popular is a matter of chance, not of category.
    appeal = (1.0 + POPULARITY_SHIFT + rng.permutation(number)) ** -POPULARITY_EXPONENT
    start = until - timedelta(days=WINDOW_DAYS)
    words = [row for index, count in enumerate(counts) for row in _words(rng, CATEGORIES[index], int(count))]
    tags = list(TASTES)
    items = tuple(
        _item(
            words[index],
            tag=tags[taste[index]],
            published_at=start + timedelta(hours=round(born[index] * 24)),
            expires_at=start + timedelta(hours=round(gone[index] * 24)) if gone[index] < WINDOW_DAYS else None,
            available=not sold_out[index],
        )
        for index in range(number)
    )
    return Catalog(items=items, category=category, taste=taste, appeal=appeal, born_day=born, gone_day=gone)


@dataclass(frozen=True)
class _Words:
    """What is said of an item in words and price."""

    category: Category
    number: int
    brand: str
    style: str
    material: str
    noun: str
    colour: str
    price: int


def _words(rng: np.random.Generator, category: Category, count: int) -> Iterator[_Words]:
    """`count` differing combinations of style, material and noun; the price follows brand, noun and chance."""
    shape = (len(STYLES), len(category.materials), len(category.nouns))
    chosen = np.unravel_index(rng.choice(np.prod(shape), size=count, replace=False), shape)
    brands = BRANDS[category.path.split("/")[0]]
    brand = rng.integers(len(brands), size=count)
    colour = rng.integers(len(COLOURS), size=count)
    place = np.clip(
        (brand + 1) / len(brands) * 0.3 + (chosen[2] + 1) / shape[2] * 0.3 + rng.beta(2, 4, size=count) * 0.5, 0, 1
    )
    # Between the ends of the band on a logarithmic scale, rounded to prices that end in .90 or .50.
    raw = category.price_low * (category.price_high / category.price_low) ** place
    price = np.round(raw / 100) * 100 - np.where(raw > 2_000, 10, 50)
    names = list(COLOURS)
    for row in range(count):
        style, material, noun = (int(part[row]) for part in chosen)
        yield _Words(
            category=category,
            number=row + 1,
            brand=brands[brand[row]],
            style=STYLES[style],
            material=category.materials[material],
            noun=category.nouns[noun],
            colour=names[colour[row]],
            price=int(price[row]),
        )


def _item(words: _Words, *, tag: str, published_at: datetime, expires_at: datetime | None, available: bool) -> Item:
    item_id = f"{words.category.prefix}-{words.number:04d}"
    return Item(
        item_id=item_id,
        title=f"{words.brand} {words.style} {words.material} {words.noun}",
        categories=(words.category.path,),
        price=words.price,
        currency="EUR",
        image_url=f"/pictures/{item_id}.svg",
        page_url=f"/items/{item_id}",
        available=available,
        expires_at=expires_at,
        published_at=published_at,
        tags=(tag, words.style.lower(), words.material.lower()),
        attributes={"brand": words.brand, "colour": words.colour, "material": words.material, "style": words.style},
    )


def _life(rng: np.random.Generator, number: int) -> tuple[Floats, Floats, Flags]:
    """Days of appearing and of going, and who is sold out at the end."""
    kind = rng.random(number)
    born = np.where(kind < OLD_SHARE, -rng.exponential(200, number), rng.uniform(0, WINDOW_DAYS - COLD_DAYS, number))
    cold = kind > 1 - COLD_SHARE
    born = np.where(cold, WINDOW_DAYS - rng.uniform(0.1, COLD_DAYS, number), born)
    fate = rng.random(number)
    goes = (fate < EXPIRED_SHARE) & ~cold
    gone = np.where(
        goes, np.maximum(born, 0) + rng.uniform(0.3, 0.95, number) * (WINDOW_DAYS - np.maximum(born, 0)), np.inf
    )
    return born, gone, (fate > 1 - SOLD_OUT_SHARE) & ~cold


def _tastes(rng: np.random.Generator, category: Integers) -> Integers:
    """A taste for each item out of those that like its category; any taste where none does."""
    paths = list(TASTES.values())
    weights = np.array([[_liking(liked, entry.path) for liked in paths] for entry in CATEGORIES])
    cumulative = np.cumsum(weights / weights.sum(axis=1, keepdims=True), axis=1)
    drawn: Integers = (rng.random((category.size, 1)) > cumulative[category]).sum(axis=1)
    return np.minimum(drawn, len(paths) - 1)


def _liking(liked: tuple[str, ...], path: str) -> float:
    return 1.0 / (1 + liked.index(path)) if path in liked else 0.02
