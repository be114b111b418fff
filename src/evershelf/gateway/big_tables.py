"""Tables of a million entries, made and let go of without holding up the event loop.

The interpreter changes threads between two bytecodes only. A dict that grows past 700,000 entries copies them in one
(28 ms on the machine of docs/reference/performance.md), and freeing such a one takes as long, whichever thread does it.
"""

from collections.abc import Iterator, Mapping, Sequence
from threading import Thread
from weakref import finalize

# Of a plain dict, which is the quickest: it copies 175,000 entries at most.
PLAIN_UP_TO = 200_000
SHARDS = 64
STRETCH = 10_000  # entries freed in one go

Positions = Mapping[str, int]


class _Sharded(Positions):
    """Each id in the dict that its hash chooses."""

    def __init__(self, ids: Sequence[str]) -> None:
        self.shards: list[dict[str, int]] = [{} for _ in range(SHARDS)]
        self._length = len(ids)
        for position, item_id in enumerate(ids):
            self.shards[hash(item_id) % SHARDS][item_id] = position

    def __getitem__(self, item_id: str) -> int:
        return self.shards[hash(item_id) % SHARDS][item_id]

    def get(self, item_id: str, default: int | None = None) -> int | None:  # type: ignore[override]  # no other default is asked for
        return self.shards[hash(item_id) % SHARDS].get(item_id, default)

    def __contains__(self, item_id: object) -> bool:
        return item_id in self.shards[hash(item_id) % SHARDS]

    def __iter__(self) -> Iterator[str]:
        return (item_id for shard in self.shards for item_id in shard)

    def __len__(self) -> int:
        return self._length


def positions(ids: Sequence[str]) -> Positions:
    """Where each of distinct ids stands."""
    if len(ids) > PLAIN_UP_TO:
        return _Sharded(ids)
    return {item_id: position for position, item_id in enumerate(ids)}


def let_go_with(owner: object, *tables: object) -> None:
    """Once `owner` is gone, which alone uses the tables, frees them bit by bit, in this order, on a thread."""
    finalize(owner, _begin, list(tables)).atexit = False


def _begin(tables: list[object]) -> None:
    Thread(target=_free, args=(tables,), name="let-go", daemon=True).start()


def _free(tables: list[object]) -> None:
    while tables:
        match tables.pop(0):
            case _Sharded(shards=parts) | (list() as parts):
                while parts:
                    del parts[-(1 if isinstance(parts[-1], dict) else STRETCH) :]
            case dict() as parts:
                while parts:
                    parts.popitem()
            case _:
                pass  # freed where it is dropped: here
