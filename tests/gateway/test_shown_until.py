"""Until when items may be shown: changed at the price of the change, walked at the price of what there is to show."""

from array import array
from math import inf

from evershelf.gateway.shown_until import STRETCH, ShownUntil

STRETCHES = 40
ITEMS = STRETCHES * STRETCH


class Counted(list):
    """Positions that count how often one is looked at."""

    looks = 0

    def __getitem__(self, at):
        found = super().__getitem__(at)
        self.looks += len(found) if isinstance(at, slice) else 1
        return found


def test_other_ends_leave_this_one_as_it_is():
    # Promise: an answer under way sees what it began with; what is new is seen by the next.
    before = ShownUntil(array("d", [5.0, inf, -inf, 7.0]))
    after = before.with_ends([(0, -inf), (2, 9.0)])
    assert [before[at] for at in range(4)] == [5.0, inf, -inf, 7.0]
    assert [after[at] for at in range(4)] == [-inf, inf, 9.0, 7.0]
    assert list(after.shown(range(4), 7.0)) == [1, 2]
    assert list(before.shown([0, 2, 3], 4.0)) == [0, 3]


def test_one_change_copies_one_stretch_however_many_are_hidden():
    # Promise: the price of a change is that of the change.
    hidden = ShownUntil(array("d", [inf] * ITEMS)).with_ends([(at, -inf) for at in range(ITEMS)])
    one_more = hidden.with_ends([(3 * STRETCH + 1, 5.0)])
    other = [before is not now for before, now in zip(hidden.stretches, one_more.stretches, strict=True)]
    assert [number for number, is_other in enumerate(other) if is_other] == [3]


def test_a_walk_over_what_is_hidden_skips_it():
    # Promise: where nothing can be found, the walk costs a small part of the catalog; a single item left is found.
    hidden = ShownUntil(array("d", [5.0] * ITEMS))
    positions = Counted(range(ITEMS))
    assert list(hidden.shown(positions, 5.0)) == []
    assert positions.looks < STRETCHES * 20
    positions.looks = 0
    one_left = hidden.with_ends([(ITEMS // 2, inf)])
    assert list(one_left.shown(positions, 5.0)) == [ITEMS // 2]
    assert positions.looks < STRETCHES * 20 + STRETCH
    assert list(one_left.shown(range(0, ITEMS, 2), 5.0)) == [ITEMS // 2]
    assert list(one_left.shown((), 5.0)) == []
