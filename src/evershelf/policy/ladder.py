"""The ladder's lower rungs: the baseline, computed from memory on every request before any model is asked."""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from operator import itemgetter
from typing import NamedTuple, Protocol, TypeAlias, assert_never

from evershelf.contracts.recommendations import BECAUSE_MAX, Reason, Source

# Seeds of the `related` rung: the newest items of the history, each counting half of the one before it.
SEEDS_MAX = 5
SEED_DECAY = 0.5
# Of each seed's related items the best are merged, so many for each place on the shelf. Where most of these are hidden,
# the next rung fills; where a category is asked for, all are looked at.
RELATED_A_PLACE = 2


Scored: TypeAlias = tuple[str, float]


class Shelf(Protocol):
    """What the baseline needs of a snapshot. Lists are best first, scores positive; nothing here does I/O.

    `kept` is what `make` gave for this key before, on this snapshot, or gives now. Neither may change the list.
    """

    def related(self, item_id: str) -> Mapping[str, float]: ...
    def kept(self, key: Hashable, make: Callable[[], list[Scored]]) -> list[Scored]: ...
    def popular(self) -> Sequence[Scored]: ...
    def popular_in(self, category: str) -> Sequence[Scored]: ...
    def static(self) -> Sequence[Scored]: ...
    def everything(self, category: str | None, now_s: float) -> Iterable[str]: ...
    def categories_of(self, item_id: str) -> Sequence[str]: ...
    def eligible(self, item_id: str, now_s: float) -> bool: ...


@dataclass(frozen=True, slots=True)
class Query:
    """One request as policy sees it. `history` holds distinct item ids, newest first; `now_s` is UTC epoch time."""

    k: int
    ladder: tuple[Source, ...]
    history: tuple[str, ...]
    context_items: tuple[str, ...]
    category: str | None
    hidden: frozenset[str]
    now_s: float


class Cause(Protocol):
    """An item that brought another one here, and its share (0..1) in that."""

    @property
    def item_id(self) -> str: ...
    @property
    def share(self) -> float: ...


@dataclass(frozen=True, slots=True)
class Seed:
    """A cause of an item on the `related` rung."""

    item_id: str
    share: float


class Rung(NamedTuple):
    """Eligible items that no rung above this one gave, best first; `outcome` is their reason, or why there are none."""

    source: Source
    outcome: Reason
    items: list[Scored]


def baseline(shelf: Shelf, query: Query) -> list[Rung]:
    """Min(k, eligible) distinct eligible items, whatever the shelf holds; deterministic for equal arguments."""
    chosen: set[str] = set()
    rungs: list[Rung] = []
    for source in query.ladder:
        if source is Source.MODEL or len(chosen) >= query.k:
            continue
        reason, offered = _climb(source, shelf, query)
        items: list[Scored] = []
        for scored in offered:
            if (item_id := scored[0]) not in chosen and admits(shelf, query, item_id):
                chosen.add(item_id)
                items.append(scored)
                if len(chosen) >= query.k:
                    break
        rungs.append(Rung(source, reason if items else Reason.NOTHING_TO_OFFER, items))
    return rungs


def admits(shelf: Shelf, query: Query, item_id: str) -> bool:
    """Whether every hard rule allows the item. Filters fail closed: what the shelf does not know is not shown."""
    if item_id in query.hidden or not shelf.eligible(item_id, query.now_s):
        return False
    return query.category is None or query.category in shelf.categories_of(item_id)


def _climb(source: Source, shelf: Shelf, query: Query) -> tuple[Reason, Iterable[Scored]]:
    """What a rung offers, best first, and why."""
    match source:
        case Source.RELATED:
            return Reason.CONTEXTUAL if query.context_items else Reason.PERSONALIZED, _related(shelf, query)
        case Source.POPULAR_IN_CATEGORY:
            category, reason = _category(shelf, query)
            return reason, shelf.popular_in(category) if category else ()
        case Source.POPULAR:
            return Reason.POPULAR, shelf.popular()
        case Source.STATIC:
            # The last resort walks the catalog itself, so that no eligible item is missed while the shelf has a gap.
            rest = ((item_id, 0.0) for item_id in shelf.everything(query.category, query.now_s))
            return Reason.STATIC, chain(shelf.static(), rest)
        case Source.MODEL:
            return Reason.NOTHING_TO_OFFER, ()
        case _:
            assert_never(source)


def _related(shelf: Shelf, query: Query) -> list[Scored]:
    """Merge the related items of the newest seeds; a page asks for several placements with the same ones."""
    seeds, row_max = _seeds(query)
    return shelf.kept((seeds, row_max), lambda: _merged(_rows(shelf, seeds, row_max)))


def _merged(rows: Iterable[tuple[str, float, Mapping[str, float]]]) -> list[Scored]:
    """Equals stand in the order of their seeds, the same everywhere."""
    totals: dict[str, float] = {}
    total_of = totals.get
    for _, weight, row in rows:
        for item_id, score in row.items():
            totals[item_id] = total_of(item_id, 0.0) + score * weight
    return sorted(totals.items(), key=itemgetter(1), reverse=True)


def _seeds(query: Query) -> tuple[tuple[str, ...], int | None]:
    """The newest seeds, and how many related items of each are looked at."""
    row_max = None if query.category is not None else RELATED_A_PLACE * query.k
    return (query.context_items or query.history)[:SEEDS_MAX], row_max


def _rows(shelf: Shelf, seeds: Sequence[str], row_max: int | None) -> list[tuple[str, float, Mapping[str, float]]]:
    """The seeds with their weights and the best of their related items."""
    return [(seed, SEED_DECAY**position, _best(shelf.related(seed), row_max)) for position, seed in enumerate(seeds)]


def _best(row: Mapping[str, float], row_max: int | None) -> Mapping[str, float]:
    return row if row_max is None or len(row) <= row_max else dict(islice(row.items(), row_max))


def causes_of_related(shelf: Shelf, query: Query) -> Callable[[str], Sequence[Cause]]:
    """Tells of an item on the `related` rung which seeds brought it there; to be asked only of what is shown."""
    rows = _rows(shelf, *_seeds(query))

    def causes_of(item_id: str) -> Sequence[Cause]:
        parts = [(row[item_id] * weight, seed) for seed, weight, row in rows if item_id in row]
        parts.sort(key=lambda part: (-part[0], part[1]))
        total = sum(part for part, _ in parts)
        return tuple(Seed(seed, part / total) for part, seed in parts[:BECAUSE_MAX]) if total > 0 else ()

    return causes_of


def _category(shelf: Shelf, query: Query) -> tuple[str | None, Reason]:
    """The category asked for, else that of the item on the page, else the one this user has looked at most."""
    if query.category is not None:
        return query.category, Reason.CONTEXTUAL
    for item_id in query.context_items:
        if categories := shelf.categories_of(item_id):
            return categories[0], Reason.CONTEXTUAL
    counts = Counter(categories[0] for item in query.history if (categories := shelf.categories_of(item)))
    favourite = min(counts, key=lambda name: (-counts[name], name), default=None)
    return favourite, Reason.FAVOURITE_CATEGORY
