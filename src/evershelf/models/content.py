"""Content neighbours: items described alike, which is all that is known of an item that nobody had yet.

Each item is a bag of tokens (words of its title, category paths with all they lie in, tags, attributes, a price band),
hashed into a fixed width and weighed by inverse document frequency; neighbours are the largest cosines. Sources: Salton
and Buckley, "Term-weighting approaches in automatic text retrieval" (1988); Weinberger et al., "Feature hashing for
large scale multitask learning" (2009), arXiv:0902.2206.
"""

import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from math import log2

import numpy as np
from scipy import sparse

from evershelf.models.compiled import on_all_cores
from evershelf.models.content_kernels import nearest
from evershelf.models.popularity import category_prefixes
from evershelf.models.sparse_rows import Float64s, SparseRows

Features = sparse.csr_array[np.float64, tuple[int, int]]

_WIDTH = 2**20
TOKENS_MAX = 64
# Comparing costs the square of a token's frequency; beyond so many items a token tells little anyway.
PAIRS_MAX = 50_000_000
FREQUENCY_MIN = 200
# Half an octave: a price band holds prices within a factor of 1.4.
_BANDS_PER_OCTAVE = 2
_PRICE_SHARE = 0.5
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Described:
    """What the catalog says of one item; `labels` are tags and attributes such as "brand=acme"."""

    title: str = ""
    categories: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    price: float | None = None


@dataclass(frozen=True, slots=True)
class ContentConfig:
    """How to compare. A pair of items counts 1 while one of them is new, and `floor` once both are well known.

    An item is half known after `half_known_events`.
    """

    half_known_events: float = 5.0
    floor: float = 0.3
    weights_per_row: int = 50


def features_of(items: Iterable[Described]) -> Features:
    """Items by hashed tokens, each row of length 1 (or empty, where nothing is said of the item)."""
    columns: list[int] = []
    shares: list[float] = []
    bounds = [0]
    for item in items:
        tokens = dict(_tokens(item))
        columns.extend(tokens)
        shares.extend(tokens.values())
        bounds.append(len(columns))
    count = len(bounds) - 1
    matrix = sparse.csr_array((np.array(shares), np.array(columns, np.int32), bounds), shape=(count, _WIDTH))
    frequency = np.bincount(matrix.indices, minlength=_WIDTH)
    # A token of all items, or of one, links nothing to anything.
    rarity = np.where(
        (frequency > 1) & (frequency < max(count, 2)), np.log(max(count, 1) / np.maximum(frequency, 1)), 0
    )
    matrix.data *= rarity[matrix.indices]
    matrix.eliminate_zeros()
    norms = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)))
    matrix.data /= np.repeat(norms, np.diff(matrix.indptr))
    return matrix


def fit_content(features: Features, events: Float64s, config: ContentConfig) -> SparseRows:
    """Cosines, pruned to the strongest of each row; `events` float64[items] tells how well each item is known."""
    items = features.shape[0]
    novelty = config.half_known_events / (config.half_known_events + events)
    frequency = np.bincount(features.indices, minlength=features.shape[1])
    telling = frequency <= max(FREQUENCY_MIN, PAIRS_MAX // max(items, 1))
    kept = features.copy()
    kept.data = np.where(telling[features.indices], features.data, 0.0)
    kept.eliminate_zeros()
    across = sparse.csr_array(kept.T)
    sides = (kept.indptr, kept.indices, kept.data, across.indptr, across.indices, across.data)
    width = min(config.weights_per_row, max(items - 1, 1))
    found, weights = np.zeros((items, width), np.int32), np.zeros((items, width), np.float32)
    on_all_cores(partial(nearest, sides=sides, knowing=(novelty, config.floor), out=(found, weights)), items)
    filled = weights > 0
    return SparseRows(
        np.concatenate(([0], np.cumsum(filled.sum(axis=1)))).astype(np.int64), found[filled], weights[filled]
    )


def _tokens(item: Described) -> Iterator[tuple[int, float]]:
    """Columns and what they count; a later mention of the same column wins."""
    texts = [f"word {word}" for word in _WORD.findall(item.title.lower())]
    texts += [f"category {prefix}" for path in item.categories for prefix in category_prefixes(path.lower())]
    texts += [f"label {label.lower()}" for label in item.labels]
    if item.price is not None and item.price > 0:
        yield _column(f"price {round(log2(item.price) * _BANDS_PER_OCTAVE)}"), _PRICE_SHARE
    for text in texts[:TOKENS_MAX]:
        yield _column(text), 1.0


def _column(text: str) -> int:
    return zlib.crc32(text.encode()) % _WIDTH
