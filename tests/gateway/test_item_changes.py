"""Tables of item changes: the answers of a dict, steps that stay small, and a view that stays as it was."""

import sys
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from math import inf

import pytest

from evershelf.contracts.catalog import Item, ItemState
from evershelf.gateway.item_changes import ENTRIES_A_TURN, SHARDS, Hide, ItemChanges, hide_of, in_turns

NOW = datetime(2024, 5, 1, tzinfo=UTC)
HIDE_BYTES_MAX = 250  # docs/reference/limits.md says so


def filled(count: int) -> ItemChanges[Hide]:
    table: ItemChanges[Hide] = ItemChanges()
    for number in range(count):
        table.put(f"item-{number}", Hide(number, -inf))
    return table


def test_a_table_answers_as_a_dict_does():
    # Promise: put, replaced, dropped; what was never there is nowhere.
    table = filled(3)
    table.put("item-1", Hide(7, 5.0))
    assert [table.drop("item-0"), table.drop("item-0")] == [True, False]
    assert dict(table) == {"item-1": Hide(7, 5.0), "item-2": Hide(2, -inf)}
    assert (len(table), table.get("item-0"), "item-0" in table) == (2, None, False)
    with pytest.raises(KeyError):
        table["item-0"]


def test_what_is_held_stays_and_one_change_copies_one_shard():
    # Promise: a thread may read what it holds, and a change after that costs a small part of the table.
    table = filled(5_000)
    held = table.held()
    table.put("item-7", Hide(9_000, 1.0))
    table.drop("item-8")
    table.put("item-7", Hide(9_001, 1.0))
    assert {item_id: hide for shard in held for item_id, hide in shard.items()} == dict(filled(5_000))
    assert sum(before is not now for before, now in zip(held, table.held(), strict=True)) <= 2
    assert len(held) == SHARDS


def test_what_a_snapshot_has_is_forgotten_in_steps():
    # Promise: dropping what is old looks at few entries a step, however many there are, and leaves what is newer.
    table = filled(4 * ENTRIES_A_TURN)
    held = table.held()
    sizes = [len(table), *(len(table) for _ in table.forget(4 * ENTRIES_A_TURN - 2))]
    assert len(sizes) >= 4
    assert all(before - after < 1.5 * ENTRIES_A_TURN for before, after in pairwise(sizes))
    assert dict(table) == {f"item-{4 * ENTRIES_A_TURN - 1}": Hide(4 * ENTRIES_A_TURN - 1, -inf)}
    assert (len(table), sum(map(len, held))) == (1, 4 * ENTRIES_A_TURN)


def test_turns_are_short_and_leave_nothing_out():
    # Promise: every id comes in exactly one turn.
    turns = list(in_turns(filled(2 * ENTRIES_A_TURN + 1)))
    assert max(map(len, turns)) == ENTRIES_A_TURN
    assert sorted(item_id for turn in turns for item_id in turn) == sorted(filled(2 * ENTRIES_A_TURN + 1))


def test_a_change_says_until_when_its_item_may_be_shown():
    # Promise (G7): whatever takes an item off the shelf does so for good, an expiry when it is due, all else never; and
    # why is known.
    def hide(*, suppressed: bool = False, deleted: bool = False, **fields) -> Hide | None:
        item = Item(item_id="mug", **fields)
        state = ItemState(item=item, suppressed=suppressed, deleted=deleted, change_sequence=8, updated_at=NOW)
        return hide_of(state)

    soon = NOW + timedelta(hours=1)
    gone = (hide(suppressed=True), hide(deleted=True), hide(available=False), hide(available=False, expires_at=soon))
    assert gone == (Hide(8, -inf, suppressed=True), Hide(8, -inf, deleted=True), Hide(8, -inf), Hide(8, -inf))
    assert (hide(expires_at=soon), hide()) == (Hide(8, soon.timestamp()), None)


def test_a_hide_is_little():
    # Promise (G25): what is kept of each of a whole catalog that is hidden has the size that the limits say.
    table = filled(20_000)
    shards = table.held()
    kept = sum(map(sys.getsizeof, shards))
    kept += sum(sys.getsizeof(part) for item_id, hide in table.items() for part in (item_id, hide, 2**40, hide.until_s))
    assert kept / len(table) < HIDE_BYTES_MAX
