"""The shelf: one snapshot in memory with the item changes since, answering the ladder's questions without I/O."""

import copy
from array import array
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from math import inf, isfinite
from pathlib import Path
from typing import TypeVar

from msgspec import Raw, Struct

from evershelf.contracts.catalog import ItemState
from evershelf.contracts.manifest import SNAPSHOT_NAME, SnapshotManifest
from evershelf.contracts.recommendations import Reason, Source
from evershelf.gateway.big_tables import let_go_with, positions
from evershelf.gateway.shown_until import STRETCH_BITS, WITHIN, ShownUntil
from evershelf.policy.compose import Candidate
from evershelf.policy.ladder import Cause, Scored
from evershelf.registry.artifact import ArtifactRefused, Refusal
from evershelf.registry.tensors import Tensors, open_tensors

NO_SNAPSHOT = "none"
# Rows of related items that are kept as they are asked for: some 4 kB each.
RELATED_ROWS_MAX = 4_096
# Merged lists that are kept, the least recently used out first: 10 to 26 kB each.
KEPT_LISTS_MAX = 1_024
# Entries looked at in one go while loading: a longer stretch of C code would hold up the event loop.
_STRETCH = 10_000

_NONE: Mapping[str, float] = {}

T = TypeVar("T", int, float)


@dataclass(frozen=True, slots=True)
class Changed:
    """An item as it stands since the snapshot was built; `body` is None when it may not be shown at all."""

    body: bytes | None
    expires_at_s: float
    categories: tuple[str, ...]
    change_sequence: int


class Shelf:
    """Never changes once it is in use: a request that holds it sees one consistent catalog until it is answered."""

    def __init__(self, tensors: Tensors | None, *, version: str, created_at_s: float, catalog_sequence: int) -> None:
        self.version = version
        self.created_at_s = created_at_s
        self.catalog_sequence = catalog_sequence
        self.changes: Mapping[str, Changed] = {}
        self._shown_since: Sequence[str] = ()
        self._columns = _Columns(tensors) if tensors is not None else _Columns.empty()
        self._position_of = self._columns.position.get
        self._become(self._columns.shown_until)
        self._popular = self._columns.scored("popular", 0, len(self._columns.popular_indices))
        self._static = [(self._columns.ids[item], 1.0) for item in self._columns.static_indices]

    def with_changes(self, changes: "Mapping[str, Changed | None]", ends: Mapping[str, float] = _NONE) -> "Shelf":
        """The same snapshot under these changes besides those before; this shelf stays as it is.

        A change that is None is taken back. `ends` says until when (Unix) items may be shown at most, whose change says
        so or is not kept whole: inf where there is only the snapshot's word.
        """
        other = copy.copy(self)  # shares the columns
        laid_over, order = dict(self.changes), list(self._shown_since)
        for item_id, change in changes.items():
            if change is not None:
                laid_over[item_id] = change
            else:
                laid_over.pop(item_id, None)
            _set_among(order, item_id, there=change is not None and change.body is not None)
        other.changes, other._shown_since = laid_over, order  # noqa: SLF001 - our own class
        if news := list(self._news(ends)):
            other._become(self._until.with_ends(news))  # noqa: SLF001 - the same
        return other

    def _news(self, ends: Mapping[str, float]) -> Iterator[tuple[int, float]]:
        """The positions of the items that may be shown until another time than before, with that time."""
        for item_id, end in ends.items():
            if (position := self._position_of(item_id)) is not None:
                end_s = min(end, self._columns.shown_until[position])
                if end_s != self._until[position]:
                    yield position, end_s

    def _become(self, until: ShownUntil) -> None:
        self._until = until
        self._stretches = until.stretches  # at hand for `eligible`, which every candidate is asked for

    def knows(self, item_id: str) -> bool:
        """Whether the catalog has the item, eligible or not."""
        return item_id in self._columns.position or item_id in self.changes

    def eligible(self, item_id: str, now_s: float) -> bool:
        """Whether the item may be shown at `now_s`; what is unknown may not."""
        if self.changes and (changed := self.changes.get(item_id)) is not None:
            return changed.body is not None and (changed.expires_at_s == 0 or now_s < changed.expires_at_s)
        position = self._position_of(item_id)
        return position is not None and now_s < self._stretches[position >> STRETCH_BITS][position & WITHIN]

    def open(self, item_id: str) -> bool:
        """Whether the item may be shown as far as its expiry allows; what is unknown may not."""
        if (changed := self.changes.get(item_id)) is not None:
            return changed.body is not None
        position = self._position_of(item_id)
        return position is not None and self._until[position] > -inf

    def has_body(self, item_id: str) -> bool:
        """Whether `body` knows the item: all of the snapshot's, and what came since and may be shown."""
        changed = self.changes.get(item_id)
        return item_id in self._columns.position or (changed is not None and changed.body is not None)

    @property
    def ids(self) -> Sequence[str]:
        """The snapshot's items, eligible or not, in its own order; for as long as the shelf is held."""
        return self._columns.ids

    def expires_at_s(self, item_id: str) -> float:
        """When (Unix) the item may no longer be shown; 0 for never. Raises KeyError for an item that is not known."""
        if (changed := self.changes.get(item_id)) is not None:
            return changed.expires_at_s
        end_s = self._until[self._columns.position[item_id]]
        return 0.0 if end_s == inf else end_s

    def body(self, item_id: str) -> bytes:
        """The item's JSON, encoded when it was stored. Raises KeyError for an item that is not known."""
        if self.changes and (changed := self.changes.get(item_id)) is not None and changed.body is not None:
            return changed.body
        return self._columns.body(self._columns.position[item_id])

    def categories_of(self, item_id: str) -> Sequence[str]:
        """The item's category paths and all their prefixes, its first path first."""
        if (changed := self.changes.get(item_id)) is not None:
            return changed.categories
        position = self._columns.position.get(item_id)
        return () if position is None else self._columns.categories_of(position)

    def related(self, item_id: str) -> Mapping[str, float]:
        """Items related to this one with their scores, best first. Not to be changed: the next caller gets the same."""
        return self._columns.related(item_id)

    def kept(self, key: Hashable, make: Callable[[], list[Scored]]) -> list[Scored]:
        """What `make` gave for this key before, on this snapshot, or gives now. Not to be changed."""
        return self._columns.kept(key, make)

    def popular(self) -> Sequence[Scored]:
        """The most popular items, best first."""
        return self._popular

    @property
    def popular_positions(self) -> Sequence[int]:
        """The places of the most popular items among `ids`, best first."""
        return self._columns.popular_indices

    def popular_in(self, category: str) -> Sequence[Scored]:
        """The most popular items of a category path and what lies below it, best first."""
        return self._columns.row("category_popular", self._columns.category_position.get(category))

    def static(self) -> Sequence[Scored]:
        """The all-time list, which changes least."""
        return self._static

    def everything(self, category: str | None, now_s: float = -inf) -> Iterator[str]:
        """Every item (of `category`) that may be shown, in a fixed order: the snapshot's, then what came since.

        What may not be shown after `now_s` is left out as far as the snapshot and `ends` say so: a walk over it would
        cost every request anew.
        """
        ids = self._columns.ids
        if category is None:
            yield from (ids[position] for position in self._until.shown(range(len(ids)), now_s))
            yield from self._shown_since
        else:
            members = self._columns.members(category)
            yield from (ids[position] for position in self._until.shown(members, now_s))
            yield from (item_id for item_id in self._shown_since if category in self.changes[item_id].categories)

    def __len__(self) -> int:
        return len(self._columns.ids)


def load_shelf(folder: Path, manifest: SnapshotManifest) -> Shelf:
    """The shelf of a verified snapshot folder. Raises ArtifactRefused when its columns do not agree with each other."""
    try:
        return Shelf(
            open_tensors(folder / SNAPSHOT_NAME),
            version=manifest.version,
            created_at_s=manifest.created_at.timestamp(),
            catalog_sequence=manifest.catalog_sequence,
        )
    except (IndexError, UnicodeDecodeError) as error:
        raise ArtifactRefused(Refusal.TENSORS, f"the columns of {manifest.version} do not agree: {error}") from error


def empty_shelf(now_s: float) -> Shelf:
    """What a new installation starts from: no snapshot yet, only the changes that PostgreSQL tells."""
    return Shelf(None, version=NO_SNAPSHOT, created_at_s=now_s, catalog_sequence=0)


def changed(state: ItemState) -> Changed:
    """How a change of the catalog looks on the shelf."""
    shown = state.item.available and not state.suppressed and not state.deleted
    return Changed(
        body=state.item.model_dump_json(exclude_defaults=True).encode() if shown else None,
        expires_at_s=_epoch_s(state.item.expires_at),
        categories=tuple(dict.fromkeys((*state.item.categories, *_prefixes(state.item.categories)))),
        change_sequence=state.change_sequence,
    )


class Placed(Struct, frozen=True, gc=False):
    """A candidate's place in an answer, for msgspec; the item's JSON is copied, never encoded again."""

    item_id: str
    rank: int
    score: float
    source: Source
    reason: Reason
    because: Sequence[Cause]
    item: Raw


def placed(shelf: Shelf, candidates: Sequence[Candidate]) -> list[Placed]:
    """The items of an answer. Raises KeyError for one that is not known."""
    body = shelf.body
    return [
        Placed(item_id, rank, score, source, reason, because, Raw(body(item_id)))
        for rank, (item_id, score, source, reason, because) in enumerate(candidates, start=1)
    ]


def _set_among(order: list[str], item_id: str, *, there: bool) -> None:
    """Puts the id in its place in the sorted list, or takes it out."""
    at = bisect_left(order, item_id)
    is_there = at < len(order) and order[at] == item_id
    if there and not is_there:
        order.insert(at, item_id)
    elif is_there and not there:
        del order[at]


def _prefixes(categories: Sequence[str]) -> Iterator[str]:
    for path in categories:
        parts = path.split("/")
        yield from ("/".join(parts[:length]) for length in range(1, len(parts)))


def _epoch_s(moment: datetime | None) -> float:
    return moment.timestamp() if moment is not None else 0.0


class _Columns:
    """The snapshot's tensors by name, with the two look-up tables that the ladder needs."""

    def __init__(self, tensors: Tensors) -> None:
        self._tensors = tensors
        self.ids = _texts(tensors, "item_ids")
        self.position = positions(self.ids)
        self._category_names = _texts(tensors, "categories")
        self.category_position = {name: position for position, name in enumerate(self._category_names)}
        available = _sized(tensors.integers("available"), len(self.ids))
        expires_at = _sized(tensors.integers("expires_at"), len(self.ids))
        self.shown_until = ShownUntil(
            array("d", ((end or inf) if shown else -inf for shown, end in zip(available, expires_at, strict=True)))
        )
        self.popular_indices = _below(tensors.integers("popular_indices"), len(self.ids))
        self.static_indices = _below(tensors.integers("static_indices"), len(self.ids))
        self._bodies = bytes(0) if not self.ids else tensors.integers("item_json")
        self._body_offsets = _sized(
            _rising(tensors.integers("item_json_offsets"), len(self._bodies)), len(self.ids) + 1
        )
        categories = len(self._category_names)
        self._item_categories = _Rows(tensors, "item_categories", len(self.ids), below=categories, scored=False)
        self._related: dict[str, Mapping[str, float]] = {}
        self._kept: OrderedDict[Hashable, list[Scored]] = OrderedDict()
        self._rows = {
            "related": _Rows(tensors, "related", len(self.ids), below=len(self.ids), scored=True),
            "category_popular": _Rows(tensors, "category_popular", categories, below=len(self.ids), scored=True),
        }
        self._members = self._invert(available)
        let_go_with(self, tensors, self.ids, self._members, self.position, self._related, self._kept)

    @classmethod
    def empty(cls) -> "_Columns":
        columns = cls.__new__(cls)
        columns.ids, columns.position, columns.category_position = [], {}, {}
        columns.shown_until = ShownUntil(array("d"))
        columns.popular_indices = columns.static_indices = memoryview(b"")
        columns._rows, columns._members, columns._related = {}, {}, {}  # noqa: SLF001 - our own class
        columns._kept = OrderedDict()  # noqa: SLF001 - the same
        return columns

    def body(self, position: int) -> bytes:
        return bytes(self._bodies[self._body_offsets[position] : self._body_offsets[position + 1]])

    def categories_of(self, position: int) -> list[str]:
        return [self._category_names[index] for index in self._item_categories.indices_of(position)]

    def members(self, category: str) -> Sequence[int]:
        return self._members.get(category, ())

    def row(self, table: str, position: int | None) -> Sequence[Scored]:
        if position is None:
            return ()
        rows = self._rows[table]
        return list(zip(map(self.ids.__getitem__, rows.indices_of(position)), rows.scores_of(position), strict=True))

    def related(self, item_id: str) -> Mapping[str, float]:
        """Asked for the newest items of everybody's history, so the same few thousand rows again and again."""
        if (row := self._related.get(item_id)) is None:
            if (position := self.position.get(item_id)) is None:
                return {}
            row = dict(self.row("related", position))
            if len(self._related) >= RELATED_ROWS_MAX:
                self._related.clear()
            self._related[item_id] = row
        return row

    def kept(self, key: Hashable, make: Callable[[], list[Scored]]) -> list[Scored]:
        if (made := self._kept.get(key)) is None:
            made = self._kept[key] = make()
            if len(self._kept) > KEPT_LISTS_MAX:
                self._kept.popitem(last=False)
        else:
            self._kept.move_to_end(key)
        return made

    def scored(self, name: str, begin: int, end: int) -> list[Scored]:
        if begin == end:
            return []
        scores = _finite(self._tensors.floats(f"{name}_scores"))
        return [(self.ids[self.popular_indices[at]], float(scores[at])) for at in range(begin, end)]

    def _invert(self, available: "memoryview[int]") -> dict[str, list[int]]:
        members: dict[str, list[int]] = {}
        for position in filter(available.__getitem__, range(len(self.ids))):
            for category in self.categories_of(position):
                members.setdefault(category, []).append(position)
        return members


class _Rows:
    """A table of rows of different lengths (CSR): which indices, and where told how strongly."""

    def __init__(self, tensors: Tensors, name: str, rows: int, *, below: int, scored: bool) -> None:
        self._indices = _below(tensors.integers(f"{name}_indices"), below)
        self._indptr = _sized(_rising(tensors.integers(f"{name}_indptr"), len(self._indices)), rows + 1)
        self._scores = _finite(_sized(tensors.floats(f"{name}_scores"), len(self._indices))) if scored else None

    def indices_of(self, row: int) -> "memoryview[int]":
        return self._indices[self._indptr[row] : self._indptr[row + 1]]

    def scores_of(self, row: int) -> "memoryview[float]":
        assert self._scores is not None  # asked of scored tables only
        return self._scores[self._indptr[row] : self._indptr[row + 1]]


def _texts(tensors: Tensors, name: str) -> list[str]:
    blob = bytes(tensors.integers(name))
    offsets = _rising(tensors.integers(f"{name}_offsets"), len(blob))
    texts: list[str] = []
    for start in range(0, len(offsets), _STRETCH):
        texts += [blob[begin:end].decode() for begin, end in pairwise(offsets[start : start + _STRETCH + 1].tolist())]
    return texts


def _sized(column: "memoryview[T]", length: int) -> "memoryview[T]":
    if len(column) != length:
        raise ArtifactRefused(Refusal.TENSORS, f"a column has {len(column)} entries where {length} are due")
    return column


def _rising(bounds: "memoryview[int]", end: int) -> "memoryview[int]":
    """Bounds of stretches that follow each other from 0 to `end`."""
    if not bounds or bounds[0] != 0 or bounds[-1] != end or any(left > right for left, right in pairwise(bounds)):
        raise ArtifactRefused(Refusal.TENSORS, f"bounds do not rise from 0 to {end}")
    return bounds


def _below(indices: "memoryview[int]", limit: int) -> "memoryview[int]":
    """Indices into something of `limit` entries."""
    for start in range(0, len(indices), _STRETCH):
        stretch = indices[start : start + _STRETCH]
        if min(stretch) < 0 or max(stretch) >= limit:
            raise ArtifactRefused(Refusal.TENSORS, f"an index is outside of 0..{limit - 1}")
    return indices


def _finite(scores: "memoryview[float]") -> "memoryview[float]":
    for start in range(0, len(scores), _STRETCH):
        if not all(map(isfinite, scores[start : start + _STRETCH])):
            raise ArtifactRefused(Refusal.TENSORS, "a score is not finite")
    return scores
