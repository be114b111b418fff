"""The compiled loop of co-visitation: what the visitors of each item came to next, and whence, summed and pruned."""

import numpy as np

from evershelf.models.compiled import compiled
from evershelf.models.heap import keep, unload
from evershelf.models.sparse_rows import Float32s, Float64s, Int32s, Int64s

# Users, items and worth of all steps, in order of user and time.
Steps = tuple[Int32s, Int32s, Float64s]
# Where the steps of each item stand: bounds int64[items + 1], places int64[steps].
Visits = tuple[Int64s, Int64s]
# Weight by distance, share of backward pairs, and what normalises sources and targets.
Factors = tuple[Float64s, float, tuple[Float64s, Float64s]]


@compiled
def follow(
    first: int, last: int, counted: tuple[Steps, Visits], factors: Factors, out: tuple[Int32s, Float32s]
) -> None:
    """Writes to `out` = items, weights the rows first..last, the largest first; zero weights pad rows."""
    (users, items, worth), (bounds, places) = counted
    by_distance, backward, (of_source, of_target) = factors
    found, weights = out
    sums, touched = np.zeros(len(of_target)), np.empty(len(of_target), np.int32)
    best_sums, best_items = np.empty(found.shape[1]), np.empty(found.shape[1], np.int32)
    for source in range(first, last):
        met = 0
        for visit in places[bounds[source] : bounds[source + 1]]:
            for distance in range(1 - len(by_distance), len(by_distance)):
                step = visit + distance
                if distance == 0 or step < 0 or step >= len(users) or users[step] != users[visit]:
                    continue
                value = worth[step] * (by_distance[distance] if distance > 0 else backward * by_distance[-distance])
                target = items[step]
                if value > 0.0 and target != source:
                    if sums[target] == 0.0:
                        touched[met] = target
                        met += 1
                    sums[target] += value
        size = 0
        for place in range(met):
            target = touched[place]
            size = keep(best_sums, best_items, size, sums[target] * of_source[source] * of_target[target], target)
            sums[target] = 0.0
        near, values = unload(best_sums, best_items, size)
        found[source, :size] = near
        weights[source, :size] = values
