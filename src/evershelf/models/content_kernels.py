"""The compiled loop of content neighbours: the largest cosines of each item, by the tokens it shares with others."""

import numpy as np

from evershelf.models.compiled import compiled
from evershelf.models.heap import keep, unload
from evershelf.models.sparse_rows import Float32s, Float64s, Int32s

# Items by tokens twice: by item (starts, tokens, values) and by token (starts, items, values).
Sides = tuple[Int32s, Int32s, Float64s, Int32s, Int32s, Float64s]
# How new each item is (1: nobody had it), and what a pair of well-known items counts.
Knowing = tuple[Float64s, float]


@compiled
def nearest(first: int, last: int, sides: Sides, knowing: Knowing, out: tuple[Int32s, Float32s]) -> None:
    """Writes to `out` = items, weights the neighbours of items first..last, the largest first; zero weights pad rows.

    A pair counts 1 - (1 - floor) * (1 - novelty of one) * (1 - novelty of the other) of its cosine.
    """
    starts, tokens, values, token_starts, token_items, token_values = sides
    novelty, floor = knowing
    items, weights = out
    cosines, touched = np.zeros(len(novelty)), np.empty(len(novelty), np.int32)
    best_scores, best_items = np.empty(items.shape[1]), np.empty(items.shape[1], np.int32)
    for item in range(first, last):
        met = 0
        for place in range(starts[item], starts[item + 1]):
            token, value = tokens[place], values[place]
            for cell in range(token_starts[token], token_starts[token + 1]):
                other = token_items[cell]
                if other != item:
                    if cosines[other] == 0.0:
                        touched[met] = other
                        met += 1
                    cosines[other] += value * token_values[cell]
        size = 0
        for place in range(met):
            other = touched[place]
            known = (1.0 - novelty[item]) * (1.0 - novelty[other])
            size = keep(best_scores, best_items, size, cosines[other] * (1.0 - (1.0 - floor) * known), other)
            cosines[other] = 0.0
        near, scores = unload(best_scores, best_items, size)
        items[item, :size] = near
        weights[item, :size] = scores
