"""The ladder's lower rungs: the baseline, computed from memory on every request before any model is asked."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop
from itertools import islice
from typing import NamedTuple, Protocol, assert_never

from evershelf.contracts.recommendations import BECAUSE_MAX, Reason, Source

# Seeds of the `related` rung: the newest items of the history, each counting half of the one before it.
SEEDS_MAX = 5
SEED_DECAY = 0.5
# Of each seed's related items the best are merged, so many for each place on the shelf. Where most of these are hidden,
# the next rung fills; where a category is asked for, all are looked at.
RELATED_A_PLACE = 2


class Shelf(Protocol):
    """What the baseline needs of a snapshot. Lists are best first, scores positive; nothing here does I/O."""

    def related(self, item_id: str) -> Mapping[str, float]: ...
    def popular(self) -> Sequence[tuple[str, float]]: ...
    def popular_in(self, category: str) -> Sequence[tuple[str, float]]: ...
    def static(self) -> Sequence[tuple[str, float]]: ...
    def everything(self, category: str | None) -> Iterable[str]: ...
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


class Candidate(NamedTuple):
    """An item under consideration. `because` names causing items with their shares (0..1), strongest first."""

    item_id: str
    score: float
    source: Source
    reason: Reason
    because: tuple[tuple[str, float], ...] = ()


class Tried(NamedTuple):
    """A source that was tried, what came of it and how many eligible items it gave."""

    source: Source
    outcome: Reason
    items: int
    elapsed_ms: float = 0.0


def baseline(shelf: Shelf, query: Query) -> tuple[list[Candidate], list[Tried]]:
    """Min(k, eligible) distinct eligible candidates, whatever the shelf holds; deterministic for equal arguments."""
    chosen: dict[str, Candidate] = {}
    tried: list[Tried] = []
    for source in query.ladder:
        if source is Source.MODEL or len(chosen) >= query.k:
            continue
        before = len(chosen)
        for candidate in _climb(source, shelf, query):
            if candidate.item_id not in chosen and admits(shelf, query, candidate.item_id):
                chosen[candidate.item_id] = candidate
                if len(chosen) >= query.k:
                    break
        given = list(chosen.values())[before:]
        tried.append(Tried(source, given[0].reason if given else Reason.NOTHING_TO_OFFER, len(given)))
    return list(chosen.values()), tried


def admits(shelf: Shelf, query: Query, item_id: str) -> bool:
    """Whether every hard rule allows the item. Filters fail closed: what the shelf does not know is not shown."""
    if item_id in query.hidden or not shelf.eligible(item_id, query.now_s):
        return False
    return query.category is None or query.category in shelf.categories_of(item_id)


def _climb(source: Source, shelf: Shelf, query: Query) -> Iterator[Candidate]:
    match source:
        case Source.RELATED:
            yield from _related(shelf, query)
        case Source.POPULAR_IN_CATEGORY:
            category, reason = _category(shelf, query)
            yield from _as_candidates(shelf.popular_in(category) if category else (), source, reason)
        case Source.POPULAR:
            yield from _as_candidates(shelf.popular(), source, Reason.POPULAR)
        case Source.STATIC:
            yield from _as_candidates(shelf.static(), source, Reason.STATIC)
            # The last resort walks the catalog itself, so that no eligible item is missed while the shelf has a gap.
            yield from (Candidate(item_id, 0.0, source, Reason.STATIC) for item_id in shelf.everything(query.category))
        case Source.MODEL:
            return
        case _:
            assert_never(source)


def _as_candidates(scored: Iterable[tuple[str, float]], source: Source, reason: Reason) -> Iterator[Candidate]:
    return (Candidate(item_id, score, source, reason) for item_id, score in scored)


def _related(shelf: Shelf, query: Query) -> Iterator[Candidate]:
    """Merge the related items of the newest seeds; ties go by item id, so that every process ranks alike."""
    seeds = query.context_items or query.history
    reason = Reason.CONTEXTUAL if query.context_items else Reason.PERSONALIZED
    merged_max = None if query.category is not None else RELATED_A_PLACE * query.k
    rows = [
        (seed, SEED_DECAY**position, dict(islice(shelf.related(seed).items(), merged_max)))
        for position, seed in enumerate(seeds[:SEEDS_MAX])
    ]
    totals: dict[str, float] = {}
    total_of = totals.get
    for _, weight, row in rows:
        for item_id, score in row.items():
            totals[item_id] = total_of(item_id, 0.0) - score * weight
    best_first = [(total, item_id) for item_id, total in totals.items()]
    heapify(best_first)  # of some hundreds only the first few are taken
    while best_first:
        total, item_id = heappop(best_first)
        parts = [(row[item_id] * weight, seed) for seed, weight, row in rows if item_id in row]
        yield Candidate(item_id, -total, Source.RELATED, reason, _shares(parts, -total))


def _shares(parts: list[tuple[float, str]], total: float) -> tuple[tuple[str, float], ...]:
    if len(parts) > 1:
        parts.sort(key=lambda part: (-part[0], part[1]))
    return tuple([(seed, part / total) for part, seed in parts[:BECAUSE_MAX]]) if total > 0 else ()


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
