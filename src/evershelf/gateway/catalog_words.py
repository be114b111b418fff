"""An index of one snapshot's titles and categories, in order of popularity: pages and searches without any I/O.

Items are numbered by *rank*: the most popular first, then the rest in the snapshot's order. A posting list (the items
whose titles hold a word) is a sorted array of ranks, so that results come out in order of popularity, a page continues
by bisection, and words are joined by walking the shortest list and looking up the others (Zobel and Moffat, Inverted
files for text search engines, 2006).
"""

import heapq
import re
import time
import unicodedata
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from typing import TypeVar

import orjson

from evershelf.gateway.big_tables import PLAIN_UP_TO, let_go_with
from evershelf.gateway.outside import keep_from_collector
from evershelf.gateway.shelf import Shelf

WORDS_A_TITLE_MAX = 30
WORDS_A_QUERY_MAX = 8
# A prefix stands for so many words at most, those first in order of the alphabet.
WORDS_A_PREFIX_MAX = 32
# Looks into posting lists that one page may take: some two milliseconds. What is left is searched by the next page.
LOOKS_MAX = 4_000
# So many items are read in one go while building, about a millisecond; then others get the interpreter.
ITEMS_A_TURN = 100
SORTED_AT_ONCE = 1_000
PAUSE_S = 0.000_5
_WORD = re.compile(r"[^\W_]+")

Ranks = Sequence[int]  # sorted
T = TypeVar("T", str, int)


@dataclass(frozen=True, slots=True)
class Found:
    """Item ids in order of popularity; `next_rank` is where to go on, None at the end."""

    item_ids: list[str]
    next_rank: int | None


@dataclass(frozen=True, slots=True)
class CategorySize:
    """A category path and the number of items in or below it that the snapshot calls available."""

    path: str
    items: int


class CatalogWords:
    """The index of one snapshot. Never changes once built; whether an item may be shown is asked of the shelf."""

    def __init__(self, shelf: Shelf) -> None:
        """Builds the index; to be called in a thread of its own, where it pauses often."""
        self.version = shelf.version
        self._shelf, self._ids = shelf, shelf.ids  # whose ids go when nobody holds it
        self._by_rank = _ranked(shelf)
        self._rank_of = array("I", bytes(4 * len(self._ids)))
        for rank, position in enumerate(self._by_rank):
            self._rank_of[position] = rank
        words: dict[str, int | array[int]] = {}
        self._members: dict[str, array[int]] = {}
        sizes: dict[str, int] = {}
        for rank, position in enumerate(self._by_rank):
            if rank % ITEMS_A_TURN == 0:
                time.sleep(PAUSE_S)
            item_id = self._ids[position]
            for word in set(words_of(title_of(shelf, item_id))[:WORDS_A_TITLE_MAX]):
                _post(words, word, rank)
            shown = shelf.open(item_id)
            for path in shelf.categories_of(item_id):
                self._members.setdefault(path, array("I")).append(rank)
                sizes[path] = sizes.get(path, 0) + shown
        self._words = list(_sorted_gently(words))
        self._postings = [words.pop(word) for word in self._words]  # a full dict would be freed in one go
        self.categories = [CategorySize(path, size) for path, size in sorted(sizes.items()) if size]
        self._by_id = array("I", _sorted_gently(range(len(self._ids)), key=self._ids.__getitem__))
        let_go_with(self, self._words, self._postings)
        if len(self._words) > PLAIN_UP_TO:
            keep_from_collector()

    def __len__(self) -> int:
        return len(self._ids)

    def rank(self, item_id: str) -> int | None:
        """The item's place in order of popularity, from 0; None where the snapshot does not have it."""
        at = bisect_left(self._by_id, item_id, key=self._ids.__getitem__)
        if at == len(self._by_id) or self._ids[self._by_id[at]] != item_id:
            return None
        return self._rank_of[self._by_id[at]]

    def at_rank(self, rank: int) -> str:
        """The item at that place."""
        return self._ids[self._by_rank[rank]]

    def search(
        self, text: str, category: str | None, *, start: int, shelf: Shelf | None, now_s: float, limit: int
    ) -> Found:
        """At most `limit` items from rank `start` on whose titles hold all words of `text`, the last as a prefix.

        Only those that may be shown on `shelf` at `now_s` (Unix), where one is given. Stops after LOOKS_MAX looks, and
        then says where to go on.
        """
        within = None if category is None else self._members.get(category, array("I"))
        terms = self._terms(text)
        if within is not None:
            terms.append([within])
        terms.sort(key=lambda lists: sum(map(len, lists)))
        found: list[str] = []
        looks = 0
        others_lists = sum(map(len, terms[1:]))
        for rank in self._walk(terms, start):
            if len(found) == limit or looks >= LOOKS_MAX:
                return Found(found, rank)
            looks += 1 + others_lists
            item_id = self._ids[self._by_rank[rank]]
            if all(_among(lists, rank) for lists in terms[1:]) and (shelf is None or shelf.eligible(item_id, now_s)):
                found.append(item_id)
        return Found(found, None)

    def with_prefix(self, prefix: str, *, after: str, limit: int) -> list[str]:
        """Item ids that begin with `prefix`, in their order, behind `after`."""
        begin = bisect_left(self._by_id, max(prefix, after), key=self._ids.__getitem__)
        ids = []
        for position in self._by_id[begin : begin + limit + 1]:
            item_id = self._ids[position]
            if not item_id.startswith(prefix):
                break
            if item_id != after:
                ids.append(item_id)
        return ids[:limit]

    def _terms(self, text: str) -> list[list[Ranks]]:
        """For each word of the query the posting lists of the words it stands for."""
        asked = words_of(text)[:WORDS_A_QUERY_MAX]
        return [self._lists(word, prefix=number == len(asked)) for number, word in enumerate(asked, start=1)]

    def _lists(self, word: str, *, prefix: bool) -> list[Ranks]:
        begin = bisect_left(self._words, word)
        if not prefix:
            return [self._ranks_at(begin)] if self._words[begin : begin + 1] == [word] else []
        known = range(begin, min(begin + WORDS_A_PREFIX_MAX, len(self._words)))
        return [self._ranks_at(at) for at in known if self._words[at].startswith(word)]

    def _ranks_at(self, at: int) -> Ranks:
        posting = self._postings[at]
        return (posting,) if isinstance(posting, int) else posting

    def _walk(self, terms: list[list[Ranks]], start: int) -> Iterator[int]:
        """Ranks of the shortest term from `start` on, each once; of everything where there is no term."""
        if not terms:
            return iter(range(start, len(self._ids)))
        lists = [_from(ranks, start) for ranks in terms[0]]
        return lists[0] if len(lists) == 1 else (rank for rank, _ in groupby(heapq.merge(*lists)))


def words_of(text: str) -> list[str]:
    """The words of a text without case and accents."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    return _WORD.findall("".join(letter for letter in plain if not unicodedata.combining(letter)))


def title_of(shelf: Shelf, item_id: str) -> str:
    """The item's title, or nothing. Raises KeyError for an item that the shelf does not know."""
    return str(orjson.loads(shelf.body(item_id)).get("title", ""))


def _ranked(shelf: Shelf) -> "array[int]":
    """Positions, the most popular first, then the rest in the snapshot's order."""
    first = frozenset(shelf.popular_positions)
    ranked = array("I", shelf.popular_positions)
    ranked.extend(position for position in range(len(shelf)) if position not in first)
    return ranked


def _post(words: "dict[str, int | array[int]]", word: str, rank: int) -> None:
    """One rank more for a word. A word that stands in one title only, as most do, needs no list.

    Lists are what the garbage collector looks through: a million of them took it 187 ms, in which nobody is answered.
    """
    if (before := words.get(word)) is None:
        words[word] = rank
    elif isinstance(before, int):
        words[word] = array("I", (before, rank))
    else:
        before.append(rank)


def _sorted_gently(values: Iterable[T], key: Callable[[T], str] | None = None) -> Iterator[T]:
    """Sorted in small pieces that are merged: one long sort would keep the interpreter from everybody else."""
    left, pieces = iter(values), []
    while piece := list(islice(left, SORTED_AT_ONCE)):
        piece.sort(key=key)
        pieces.append(piece)
        time.sleep(PAUSE_S)
    return heapq.merge(*pieces, key=key)


def _among(lists: Sequence[Ranks], rank: int) -> bool:
    for ranks in lists:
        at = bisect_left(ranks, rank)
        if at < len(ranks) and ranks[at] == rank:
            return True
    return False


def _from(ranks: Ranks, start: int) -> Iterator[int]:
    return (ranks[at] for at in range(bisect_left(ranks, start), len(ranks)))
