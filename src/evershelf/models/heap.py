"""A bounded heap that keeps the best of many scored items: higher scores first, of equals the lower item.

Source: Williams, "Algorithm 232: Heapsort" (1964); the worst of the best stands on top, ready to be replaced.
"""

import numpy as np

from evershelf.models.compiled import compiled
from evershelf.models.sparse_rows import Float64s, Int32s


@compiled
def keep(scores: Float64s, items: Int32s, size: int, score: float, item: int) -> int:
    """Puts the pair into the heap (the worst on top) if it belongs to the best; the new size."""
    if size < len(scores):
        place = size
        while place > 0:
            above = (place - 1) // 2
            if not _worse(score, item, scores[above], items[above]):
                break
            scores[place], items[place] = scores[above], items[above]
            place = above
        scores[place], items[place] = score, item
        return size + 1
    if size and _worse(scores[0], items[0], score, item):
        _sink(scores, items, size, score, item)
    return size


@compiled
def unload(scores: Float64s, items: Int32s, size: int) -> tuple[Int32s, Float64s]:
    """The kept items and their scores, best first; empties the heap."""
    found, sums = np.empty(size, np.int32), np.empty(size, np.float64)
    for place in range(size - 1, -1, -1):
        found[place], sums[place] = items[0], scores[0]
        _sink(scores, items, place, scores[place], items[place])
    return found, sums


@compiled
def _sink(scores: Float64s, items: Int32s, size: int, score: float, item: int) -> None:
    """Puts the pair in the place of the worst of the first `size`."""
    place = 0
    while True:
        below = 2 * place + 1
        if below >= size:
            break
        if below + 1 < size and _worse(scores[below + 1], items[below + 1], scores[below], items[below]):
            below += 1
        if not _worse(scores[below], items[below], score, item):
            break
        scores[place], items[place] = scores[below], items[below]
        place = below
    scores[place], items[place] = score, item


@compiled
def _worse(score: float, item: int, other_score: float, other_item: int) -> bool:
    return score < other_score or (score == other_score and item > other_item)
