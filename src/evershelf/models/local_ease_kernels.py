"""The compiled loops of local EASE: count and fill co-occurrences, solve one small ridge system an item.

They release the interpreter lock, so that portions of items run on threads, and write to arrays that the caller gives.
`sides` is users-by-items twice: by item (starts, users, values) and by user (starts, items, values). `matrix` is the
Gram matrix: starts, columns (ascending), values, and the diagonal apart.
"""

import numpy as np

from evershelf.models.compiled import compiled_loosely
from evershelf.models.sparse_rows import Float32s, Float64s, Int32s, Int64s

Sides = tuple[Int32s, Int32s, Float64s, Int32s, Int32s, Float64s]
Matrix = tuple[Int64s, Int32s, Float32s, Float64s]

# A row of co-occurrences up to so many times the neighbours is read through; a longer one is searched.
SCAN_FACTOR = 8


@compiled_loosely
def count(first: int, last: int, sides: Sides, lengths: Int64s) -> None:
    """Writes to lengths[first:last] with how many other items each item occurs together."""
    item_starts, item_users, _, user_starts, user_items, _ = sides
    met_by = np.full(len(item_starts) - 1, -1, np.int32)
    for item in range(first, last):
        met_by[item] = item
        met = 0
        for place in range(item_starts[item], item_starts[item + 1]):
            user = item_users[place]
            for other in user_items[user_starts[user] : user_starts[user + 1]]:
                if met_by[other] != item:
                    met_by[other] = item
                    met += 1
        lengths[item] = met


@compiled_loosely
def fill(first: int, last: int, sides: Sides, matrix: Matrix) -> None:
    """Writes rows first..last of the Gram matrix; where a row is too short for all, the best by cosine stay."""
    item_starts, item_users, item_values, user_starts, user_items, user_values = sides
    starts, columns, values, diagonal = matrix
    sums = np.zeros(len(diagonal), np.float64)
    touched = np.empty(len(diagonal), np.int32)
    for item in range(first, last):
        met = 0
        for place in range(item_starts[item], item_starts[item + 1]):
            user, value = item_users[place], item_values[place]
            for cell in range(user_starts[user], user_starts[user + 1]):
                other = user_items[cell]
                if other != item:
                    if sums[other] == 0.0:
                        touched[met] = other
                        met += 1
                    sums[other] += value * user_values[cell]
        capacity = starts[item + 1] - starts[item]
        kept = touched[:met]
        if met > capacity:
            kept = kept[np.argsort(-(sums[kept] / np.sqrt(diagonal[kept])))[:capacity]]
        kept = np.sort(kept)
        for place in range(len(kept)):
            columns[starts[item] + place] = kept[place]
            values[starts[item] + place] = sums[kept[place]]
        for place in range(met):
            sums[touched[place]] = 0.0


@compiled_loosely
def solve(first: int, last: int, matrix: Matrix, ridge: Float64s, out: tuple[Int32s, Float32s]) -> None:
    """Writes to `out` = owners, weights: which items predict item j, and how much; zero weights pad the rows."""
    owners, weights = out
    starts, columns, values, diagonal = matrix
    width = owners.shape[1]
    place_of = np.full(len(diagonal), -1, np.int32)
    system = np.empty((width, width), np.float64)
    solution = np.empty(width, np.float64)
    for item in range(first, last):
        row = columns[starts[item] : starts[item + 1]]
        shared = values[starts[item] : starts[item + 1]]
        chosen = np.arange(len(row))
        if len(row) > width:
            chosen = np.sort(np.argsort(-(shared / np.sqrt(diagonal[row])))[:width])
        size = len(chosen)
        near = row[chosen]
        for place in range(size):
            place_of[near[place]] = place
            solution[place] = shared[chosen[place]]
        _assemble(near, place_of, matrix, ridge, system)
        _cholesky_solve(system, solution, size)
        for place in range(size):
            place_of[near[place]] = -1
            owners[item, place] = near[place]
            weights[item, place] = solution[place]


@compiled_loosely
def _assemble(near: Int32s, place_of: Int32s, matrix: Matrix, ridge: Float64s, system: Float64s) -> None:
    """Writes the lower triangle of the Gram matrix among the items `near`, with the ridge on its diagonal."""
    starts, columns, values, diagonal = matrix
    size = len(near)
    scan_max = SCAN_FACTOR * size
    for place in range(size):
        system[place, :place] = 0.0
        system[place, place] = diagonal[near[place]] + ridge[near[place]]
    for place in range(size):
        begin, end = starts[near[place]], starts[near[place] + 1]
        if end - begin <= scan_max:
            for cell in range(begin, end):
                other = place_of[columns[cell]]
                if other >= 0:
                    system[max(place, other), min(place, other)] = values[cell]
            continue
        for other in range(place):
            # Pairs with a short row are written by reading that row.
            if starts[near[other] + 1] - starts[near[other]] > scan_max:
                cell = begin + np.searchsorted(columns[begin:end], near[other])
                if cell < end and columns[cell] == near[other]:
                    system[place, other] = values[cell]


@compiled_loosely
def _cholesky_solve(system: Float64s, solution: Float64s, size: int) -> None:
    """Solves system * x = solution in place, for a positive definite system given by its lower triangle."""
    for row in range(size):
        for column in range(row):
            rest = system[row, column]
            for place in range(column):
                rest -= system[row, place] * system[column, place]
            system[row, column] = rest / system[column, column]
        rest = system[row, row]
        for place in range(row):
            rest -= system[row, place] * system[row, place]
        system[row, row] = np.sqrt(max(rest, 1e-12))
        rest = solution[row]
        for place in range(row):
            rest -= system[row, place] * solution[place]
        solution[row] = rest / system[row, row]
    for row in range(size - 1, -1, -1):
        solution[row] /= system[row, row]
        for place in range(row):
            solution[place] -= system[row, place] * solution[row]
