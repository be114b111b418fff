"""Until when each item of a snapshot may be shown, in stretches: one change copies one, and a dead one is skipped."""

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence

STRETCH_BITS = 8
STRETCH = 1 << STRETCH_BITS
WITHIN = STRETCH - 1


class ShownUntil:
    """Unix seconds by position: inf for ever, -inf for not at all. Never changes."""

    def __init__(self, ends: "array[float]") -> None:
        self.stretches = [ends[start : start + STRETCH] for start in range(0, len(ends), STRETCH)]
        self.latest = [max(stretch) for stretch in self.stretches]

    def __getitem__(self, position: int) -> float:
        return self.stretches[position >> STRETCH_BITS][position & WITHIN]

    def with_ends(self, ends: Iterable[tuple[int, float]]) -> "ShownUntil":
        """Another one with these ends at these positions; it shares the stretches in which nothing is new."""
        other = ShownUntil.__new__(ShownUntil)
        other.stretches, other.latest = self.stretches.copy(), self.latest.copy()
        own: set[int] = set()
        for position, end in ends:
            number = position >> STRETCH_BITS
            if number not in own:
                own.add(number)
                other.stretches[number] = other.stretches[number][:]
            other.stretches[number][position & WITHIN] = end
        for number in own:
            other.latest[number] = max(other.stretches[number])
        return other

    def shown(self, positions: Sequence[int], now_s: float) -> Iterator[int]:
        """Those of the rising positions whose items may be shown after `now_s`.

        A catalog that is mostly hidden would cost every answer a walk over all of it: where a stretch has nothing to
        show, all of it is skipped with one look.
        """
        at = 0
        while at < len(positions):
            number = positions[at] >> STRETCH_BITS
            end = bisect_left(positions, (number + 1) << STRETCH_BITS, at)
            if now_s < self.latest[number]:
                stretch = self.stretches[number]
                yield from (each for each in positions[at:end] if now_s < stretch[each & WITHIN])
            at = end
