"""The catalog as the snapshot needs it: encoded items, categories with their members, and the order of popularity."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from evershelf.models.content import Described, Features, features_of
from evershelf.models.popularity import category_prefixes
from evershelf.models.sparse_rows import Float64s, Int64s
from evershelf.storage.extract import ShelfItem
from evershelf.training.descriptions import described_items


@dataclass(frozen=True, slots=True)
class Shelf:
    """All items of the snapshot by id. `item_categories`: an item's own paths first, then what those lie in."""

    item_ids: tuple[str, ...]
    encoded: tuple[bytes, ...]
    available: npt.NDArray[np.uint8]
    expires_s: Int64s  # 0: never
    born_s: Float64s
    categories: tuple[str, ...]
    item_categories: tuple[tuple[int, ...], ...]
    features: Features


async def collect(items: AsyncIterator[ShelfItem]) -> Shelf:
    """Reads all items once, keeping only their encoded form."""
    rows: list[tuple[str, bytes, bool, int, float, tuple[str, ...], Described]] = []
    async for entry in items:
        item = entry.item
        prefixes = (prefix for path in item.categories for prefix in category_prefixes(path))
        rows.append((
            item.item_id,
            item.model_dump_json(exclude_defaults=True).encode(),
            item.available,
            int(item.expires_at.timestamp()) if item.expires_at else 0,
            (item.published_at or entry.created_at).timestamp(),
            tuple(dict.fromkeys((*item.categories, *prefixes))),
            next(described_items([item])),
        ))  # fmt: skip
    rows.sort(key=lambda row: row[0])  # by code point: the database's collation must not decide
    categories = tuple(sorted({path for row in rows for path in row[5]}))
    number_of = {path: number for number, path in enumerate(categories)}
    return Shelf(
        tuple(row[0] for row in rows),
        tuple(row[1] for row in rows),
        np.array([row[2] for row in rows], np.uint8),
        np.array([row[3] for row in rows], np.int64),
        np.array([row[4] for row in rows], np.float64),
        categories,
        tuple(tuple(number_of[path] for path in row[5]) for row in rows),
        features_of(row[6] for row in rows),
    )


def members_by_category(shelf: Shelf, order: Int64s) -> list[Int64s]:
    """For each category its items in the given order of all items."""
    place_of = np.empty(len(order), np.int64)
    place_of[order] = np.arange(len(order))
    members: list[list[int]] = [[] for _ in shelf.categories]
    for index, numbers in enumerate(shelf.item_categories):
        for number in numbers:
            members[number].append(index)
    return [np.array(sorted(part, key=place_of.__getitem__), np.int64) for part in members]


def offerable(shelf: Shelf, now_s: float) -> npt.NDArray[np.bool_]:
    """bool[n]: available and not expired."""
    unexpired = (shelf.expires_s == 0) | (shelf.expires_s > now_s)
    return np.asarray((shelf.available > 0) & unexpired, np.bool_)


def shelf_order(shelf: Shelf, scores: Float64s) -> Int64s:
    """All items: the highest score first, of equals the newest, then by id (which is the index)."""
    return np.lexsort((np.arange(len(scores)), -shelf.born_s, -scores)).astype(np.int64)


def spread_over_categories(shelf: Shelf, order: Int64s, limit: int) -> Int64s:
    """The first `limit` items of `order`, taken in turn from one top category after the other."""
    queues: dict[str, list[int]] = {}
    for index in order.tolist():
        numbers = shelf.item_categories[index]
        top = shelf.categories[numbers[0]].partition("/")[0] if numbers else ""
        queue = queues.setdefault(top, [])
        if len(queue) < limit:
            queue.append(index)
    turns = max((len(queue) for queue in queues.values()), default=0)
    taken = [queue[turn] for turn in range(turns) for queue in queues.values() if turn < len(queue)]
    return np.array(taken[:limit], np.int64)
