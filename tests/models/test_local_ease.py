"""Local EASE: with every item as a neighbour it is EASE itself; with few it stays close, and bounded."""

import subprocess
import sys

import numpy as np
import pytest

from evershelf.models import local_ease
from evershelf.models.ease import EaseConfig, fit_ease
from evershelf.models.interactions import EVENT_TYPES, Interactions
from evershelf.models.local_ease import LocalEaseConfig, fit_local_ease

EVEN = np.ones(len(EVENT_TYPES))
ITEMS = 40


@pytest.fixture
def random_interactions():
    random = np.random.default_rng(5)
    count = 6_000
    return Interactions.ordered(
        random.integers(300, size=count).astype(np.int32),
        (ITEMS * random.random(count) ** 1.5).astype(np.int32),
        random.random(count) * 30,
        np.zeros(count, np.int8),
        user_count=300,
        item_count=ITEMS,
    )


def dense(rows):
    matrix = np.zeros((rows.items, rows.items))
    matrix[np.repeat(np.arange(rows.items), rows.lengths()), rows.indices] = rows.weights
    return matrix


def test_with_all_items_as_neighbours_it_is_dense_ease(random_interactions):
    """Promise: m = n gives the closed form, with damping, decay and weights of kinds alike."""
    shared = {"regularisation": 7.0, "user_damping": 0.4, "half_life_days": 9.0, "dropout": 0.2}
    exact = fit_ease(random_interactions, EaseConfig(**shared), now_days=30, kind_weights=EVEN)
    config = LocalEaseConfig(neighbours=ITEMS, **shared)
    found = fit_local_ease(random_interactions, config, now_days=30, kind_weights=EVEN)
    np.testing.assert_allclose(dense(found), dense(exact), atol=2e-5)


def test_each_column_solves_the_small_system_of_its_neighbours(random_interactions):
    """Promise: (G_NN + lambda I) w = g_Nj over the m items nearest by co-occurrence / sqrt(popularity)."""
    config = LocalEaseConfig(neighbours=6, regularisation=3.0, user_damping=0.0, half_life_days=9.0)
    found = dense(fit_local_ease(random_interactions, config, now_days=30, kind_weights=EVEN))
    seen = random_interactions.user_items(np.sqrt(0.5 ** ((30 - random_interactions.days) / 9.0))).toarray()
    gram = seen.T @ seen
    for item in range(ITEMS):
        merit = gram[:, item] / np.sqrt(np.diag(gram))
        merit[item] = -1
        near = np.argsort(-merit)[:6]
        weights = np.linalg.solve(gram[np.ix_(near, near)] + 3.0 * np.eye(6), gram[near, item])
        expected = np.zeros(ITEMS)
        expected[near] = np.maximum(weights, 0)
        np.testing.assert_allclose(found[:, item], expected, atol=1e-5)


def test_items_that_nobody_had_have_no_row_and_fitting_repeats(random_interactions):
    """Promise: unseen items and an empty history are no error; the same input gives the same bytes."""
    few = random_interactions.where(random_interactions.items > 30)
    first, again = (fit_local_ease(few, LocalEaseConfig(), now_days=30, kind_weights=EVEN) for _ in range(2))
    assert first.weights.tobytes() == again.weights.tobytes()
    assert first.lengths()[:31].sum() == 0 < len(first.weights)
    nobody = random_interactions.between(99, 100)
    assert len(fit_local_ease(nobody, LocalEaseConfig(), now_days=3, kind_weights=EVEN).weights) == 0


def test_rows_of_co_occurrences_are_bounded(random_interactions):
    """Promise: beyond the limit each item keeps its strongest co-occurrences, and the model stays near."""
    config = LocalEaseConfig(neighbours=8, user_damping=0.0)
    weighted = local_ease._weighted(random_interactions, config, now_days=30, kind_weights=EVEN)
    whole, cut = (local_ease._gram(weighted, config, cells_max=cells) for cells in (10_000, 20 * ITEMS))
    assert np.diff(whole.starts).max() == ITEMS - 1
    assert np.diff(cut.starts).max() == 20
    cosine = whole.values[:39] / np.sqrt(whole.diagonal[whole.columns[:39]])
    strongest = whole.columns[:39][np.argsort(-cosine)[:20]]
    assert cut.columns[:20].tolist() == sorted(strongest.tolist())


def test_the_command_line_does_not_load_the_compiler():
    """Promise: a verb that fits and ranks nothing starts without numba."""
    program = "import sys, evershelf.cli.main; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
