"""Pages of the catalog from memory: what a shop page lists and finds, whatever PostgreSQL does."""

from collections.abc import Sequence
from itertools import islice

from evershelf.contracts.catalog import Item
from evershelf.gateway.catalog_words import CatalogWords, Found
from evershelf.gateway.explain import item_of
from evershelf.gateway.parts import Parts
from evershelf.gateway.shelf import Shelf

INDEXING = "The catalog is being indexed: these are the most popular items; searching works in a moment."
# Items looked at for a page before there is an index.
WALK_MAX = 5_000


def page(
    parts: Parts, text: str, category: str | None, *, after: str | None, limit: int, hidden: bool = False
) -> tuple[list[str], str | None, str | None]:
    """Item ids in order of popularity, the id to go on behind, and what could not be done.

    Only items that may be shown, unless `hidden`.
    """
    shelf, words, now_s = parts.snapshots.current, parts.catalog.words, parts.outside.clock.unix_s()
    if words is None or not len(words):
        return _unindexed(shelf, category, limit, now_s=now_s), None, INDEXING if words is None else None
    start = 0
    if after is not None and (rank := words.rank(after)) is not None:
        start = rank + 1
    found = words.search(text, category, start=start, shelf=None if hidden else shelf, now_s=now_s, limit=limit)
    return found.item_ids, _behind(words, found), None


def items_of(shelf: Shelf, item_ids: Sequence[str]) -> list[Item]:
    """The items that the shelf has the text of."""
    return [item for item_id in item_ids if (item := item_of(shelf, item_id)) is not None]


def _behind(words: CatalogWords, found: Found) -> str | None:
    return None if found.next_rank is None else words.at_rank(found.next_rank - 1)


def _unindexed(shelf: Shelf, category: str | None, limit: int, *, now_s: float) -> list[str]:
    """The first page without an index: the most popular, then the rest, as far as a short walk goes."""
    popular = shelf.popular() if category is None else shelf.popular_in(category)
    known = dict.fromkeys([item_id for item_id, _ in popular[:limit]])
    known |= dict.fromkeys(islice(shelf.everything(category), WALK_MAX))
    return list(islice((item_id for item_id in known if shelf.eligible(item_id, now_s)), limit))
