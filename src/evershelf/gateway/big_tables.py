"""Tables of up to a million entries, made and let go of without holding up the event loop.

The interpreter changes threads between two bytecodes only. A dict that grows past 700,000 entries copies them in one
(28 ms on the machine of docs/reference/performance.md), and freeing such a one takes as long, whichever thread does it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized
from threading import Thread
from typing import TypeVar
from weakref import finalize

# Of a plain dict, which is the quickest: it copies 175,000 entries at most.
PLAIN_UP_TO = 200_000
SHARDS = 256
STRETCH = 10_000  # entries of a list freed in one go
FREED_AT_ONCE = 1_000  # entries of all tables for which a thread is not worth it

Positions = Mapping[str, int]
V = TypeVar("V")


class Sharded(Mapping[str, V]):
    """What belongs to each id, in the dict that its hash chooses."""

    def __init__(self, entries: Iterable[tuple[str, V]] = ()) -> None:
        self.shards: list[dict[str, V]] = [{} for _ in range(SHARDS)]
        for item_id, value in entries:
            self.shards[shard_of(item_id)][item_id] = value
        self._length = sum(map(len, self.shards))

    def __getitem__(self, item_id: str) -> V:
        return self.shards[shard_of(item_id)][item_id]

    def get(self, item_id: str, default: None = None) -> V | None:  # type: ignore[override]  # no other is asked for
        return self.shards[shard_of(item_id)].get(item_id, default)

    def __contains__(self, item_id: object) -> bool:
        return item_id in self.shards[shard_of(item_id)]

    def __iter__(self) -> Iterator[str]:
        return (item_id for shard in self.shards for item_id in shard)

    def __len__(self) -> int:
        return self._length


def shard_of(item_id: object) -> int:
    """By bits that the dict itself does not begin with: else its keys would crowd into a few of its places."""
    return (hash(item_id) >> 32) % SHARDS


def positions(ids: Sequence[str]) -> Positions:
    """Where each of distinct ids stands."""
    if len(ids) > PLAIN_UP_TO:
        return Sharded((item_id, position) for position, item_id in enumerate(ids))
    return {item_id: position for position, item_id in enumerate(ids)}


def let_go_with(owner: object, *tables: object) -> None:
    """Once `owner` is gone, which alone uses the tables, frees them bit by bit, on a thread where they are large."""
    finalize(owner, _begin, list(tables)).atexit = False


def _begin(tables: list[object]) -> None:
    if sum(len(table) for table in tables if isinstance(table, Sized)) > FREED_AT_ONCE:
        Thread(target=_free, args=(tables,), name="let-go", daemon=True).start()


def _free(tables: list[object]) -> None:
    """What lies in a dict is freed like what is given: it may be large as well."""
    while tables:
        match tables.pop():
            case Sharded(shards=shards):
                while shards:
                    shards.pop()
            case dict() as found:
                while found:
                    _free([found.popitem()[1]])
            case list() as found:
                while found:
                    del found[-STRETCH:]
            case _:
                pass  # freed where it is dropped: here
