"""The compiled loop that shares out the weights of a row among the components of a blend."""

import numpy as np

from evershelf.models.compiled import compiled
from evershelf.models.sparse_rows import Float32s, Float64s, Int64s


@compiled
def share_out(starts: Int64s, weights: Float32s, scale: Float64s, limits: tuple[int, int], lengths: Int64s) -> None:
    """Writes to lengths[c, i] how much of row i component c keeps: the largest of weight * scale[c].

    `limits` are how many weights a row may hold in all, and how many of them each component has for itself. Row i of
    component c is starts[c, i]:starts[c, i + 1] of `weights`, the largest first; of equals the first component wins. So
    the rows are merged from their heads, and what is kept of each is its head.
    """
    per_row, reserved = limits
    components, items = lengths.shape
    heads = np.empty(components, np.int64)
    for item in range(items):
        left = per_row
        for component in range(components):
            own = min(reserved, starts[component, item + 1] - starts[component, item])
            heads[component] = starts[component, item] + own
            left -= own
        for _ in range(left):
            best, largest = -1, 0.0
            for component in range(components):
                if heads[component] < starts[component, item + 1]:
                    value = weights[heads[component]] * scale[component]
                    if value > largest:
                        best, largest = component, value
            if best < 0:
                break
            heads[best] += 1
        lengths[:, item] = heads - starts[:, item]
