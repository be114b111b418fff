"""Item changes by id, in tables of any size: no step takes long, and a thread may hold one while it changes."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from math import inf
from typing import TypeVar

from msgspec import Struct

from evershelf.contracts.catalog import ItemState
from evershelf.gateway.big_tables import SHARDS, Sharded, shard_of

# Of those that are dropped, or laid over another snapshot: some milliseconds.
ENTRIES_A_TURN = 1_000


class Hide(Struct, frozen=True, gc=False):
    """All that eligibility needs of a change: which one, until when (Unix) it lets the item be shown, and why not."""

    change_sequence: int
    until_s: float  # -inf: not at all
    suppressed: bool = False
    deleted: bool = False


V = TypeVar("V", ItemState, Hide)


class ItemChanges(Sharded[V]):
    """Each item's newest change."""

    def __init__(self) -> None:
        super().__init__()
        self._held: set[int] = set()

    def put(self, item_id: str, change: V) -> None:
        """In place of the item's change before."""
        shard = self._own(item_id)
        self._length += item_id not in shard
        shard[item_id] = change

    def drop(self, item_id: str) -> bool:
        """As if the item had not changed; False where it had not."""
        if item_id not in self:
            return False
        del self._own(item_id)[item_id]
        self._length -= 1
        return True

    def forget(self, sequence: int) -> Iterator[None]:
        """Drops what is not above `sequence`, a small part with each step."""
        looked_at = 0
        for number, shard in enumerate(self.shards):
            kept = {item_id: change for item_id, change in shard.items() if change.change_sequence > sequence}
            if len(kept) < len(shard):
                self._length -= len(shard) - len(kept)
                self.shards[number] = kept
                self._held.discard(number)
            looked_at += len(shard)
            if looked_at >= ENTRIES_A_TURN:
                looked_at = 0
                yield

    def held(self) -> Sequence[Mapping[str, V]]:
        """The shards as they are now, for as long as somebody wants them: a change makes a copy of the one it is in."""
        self._held = set(range(SHARDS))
        return tuple(self.shards)

    def _own(self, item_id: str) -> dict[str, V]:
        number = shard_of(item_id)
        if number in self._held:
            self._held.remove(number)
            self.shards[number] = self.shards[number].copy()
        return self.shards[number]


def hide_of(change: ItemState | Hide) -> Hide | None:
    """What the change means where only eligibility counts, or None: it takes the item off no shelf."""
    if isinstance(change, Hide):
        return change
    if change.suppressed or change.deleted or not change.item.available:
        return Hide(change.change_sequence, -inf, change.suppressed, change.deleted)
    end = change.item.expires_at
    return None if end is None else Hide(change.change_sequence, end.timestamp())


def in_turns(item_ids: Mapping[str, V]) -> Iterator[list[str]]:
    """The ids in parts that one turn of the event loop has time for."""
    left = iter(item_ids)
    while part := list(islice(left, ENTRIES_A_TURN)):
        yield part
