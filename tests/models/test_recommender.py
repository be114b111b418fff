"""The serving kernel: its scores, its evidence and its order are exactly those of the formula."""

import numpy as np
import pytest

from evershelf.contracts.events import EventType
from evershelf.contracts.manifest import ServingComponent, ServingConfig
from evershelf.models.ranking_kernels import Queries
from evershelf.models.recommender import NO_EVIDENCE, ItemItemRecommender, Priors
from evershelf.models.sparse_rows import InvalidModelError, SparseRows


def rows(matrix):
    dense = np.asarray(matrix, np.float32)
    counts = (dense != 0).sum(axis=1)
    owners, columns = np.nonzero(dense)
    return SparseRows(
        np.concatenate(([0], np.cumsum(counts))).astype(np.int64), columns.astype(np.int32), dense[owners, columns]
    )


def serving(*components):
    return ServingConfig(components=components, event_weights={EventType.VIEW_ITEM: 1.0, EventType.PURCHASE: 4.0})


@pytest.fixture
def random_model():
    random = np.random.default_rng(7)
    dense = random.random((40, 40)) * (random.random((40, 40)) < 0.3)
    other = random.random((40, 40)) * (random.random((40, 40)) < 0.1)
    config = serving(
        ServingComponent(name="a", weight=1.0, half_life_events=2.0),
        ServingComponent(name="b", weight=0.5, half_life_days=10.0),
    )
    return ItemItemRecommender({"a": rows(dense), "b": rows(other)}, config, 40), dense, other


def test_scores_are_those_of_the_formula(random_model):
    """Promise: the ranking is the decayed, weighted sum over all components, computed the slow way."""
    model, first, second = random_model
    history, weights, ages = (
        np.array([3, 9, 3, 30]),
        np.array([1.0, 4.0, 1.0, 2.0]),
        np.array([100.0, 101.0, 105.0, 120.0]),
    )
    expected = sum(
        weight * (0.5 ** (rank / 2.0) * first[item] + 0.5 * 0.5 ** ((age - 100.0) / 10.0) * second[item])
        for rank, (item, weight, age) in enumerate(zip(history, weights, ages, strict=True))
    )
    expected[[5, 6]] = 0
    ranked = model.rank(history, weights, ages, k=12, excluded=np.array([5, 6, -1, 99]))
    assert ranked.items.tolist() == np.lexsort((np.arange(40), -expected))[:12].tolist()
    np.testing.assert_allclose(ranked.scores, expected[ranked.items], rtol=1e-5)


def test_evidence_is_the_largest_terms_of_the_same_sum(random_model):
    """Promise: shares are exact, fall along the row, and name history items; a repeated item counts once."""
    model, first, second = random_model
    history, ages = np.array([3, 9, 3, 30, 11]), np.zeros(5)
    ranked = model.rank(history, np.ones(5), ages, k=10)
    for place, item in enumerate(ranked.items):
        parts = {}
        for rank, origin in enumerate(history):
            term = 0.5 ** (rank / 2.0) * first[origin, item] + 0.5 * second[origin, item]
            parts[int(origin)] = parts.get(int(origin), 0.0) + term
        for origin, share in zip(ranked.evidence_items[place], ranked.evidence_shares[place], strict=True):
            expected = 0.0 if origin == NO_EVIDENCE else parts[int(origin)] / sum(parts.values())
            assert share == pytest.approx(expected, abs=1e-5)
        largest = sorted(parts.values(), reverse=True)[:3]
        assert ranked.evidence_shares[place].sum() == pytest.approx(sum(largest) / sum(parts.values()), abs=1e-5)


def test_equal_scores_stand_by_item_index():
    """Promise: ties are broken by item index, also where they straddle the cut at k."""
    model = ItemItemRecommender(
        {"a": rows([[0, 1, 1, 1, 1]] + [[0] * 5] * 4)}, serving(ServingComponent(name="a", weight=1)), 5
    )
    assert model.rank(np.array([0]), np.ones(1), np.zeros(1), k=3).items.tolist() == [1, 2, 3]


def test_a_history_the_model_does_not_know_gives_nothing_with_no_confidence():
    """Promise: unknown items, items without rows and an empty history are no error and no answer."""
    model = ItemItemRecommender({"a": rows([[0, 1], [0, 0]])}, serving(ServingComponent(name="a", weight=1)), 2)
    for history in ([], [-1], [1], [7]):
        ranked = model.rank(np.array(history, np.int32), np.ones(len(history)), np.zeros(len(history)), k=5)
        assert (ranked.items.tolist(), ranked.known_share) == ([], 0.0)
    assert model.rank(np.array([0, 1, -1, -1]), np.ones(4), np.zeros(4), k=5).known_share == 0.25


def test_negative_weights_are_clipped():
    """Promise: every term speaks for an item, so a negative weight neither ranks nor explains."""
    model = ItemItemRecommender(
        {"a": rows([[0, -1, 2], [0] * 3, [0] * 3])}, serving(ServingComponent(name="a", weight=1)), 3
    )
    assert model.rank(np.array([0]), np.ones(1), np.zeros(1), k=3).items.tolist() == [2]


@pytest.mark.parametrize("fault", ["nan", "outside", "bounds", "missing", "type"])
def test_unsound_tensors_are_refused(fault):
    """Promise: a model with broken arrays never serves."""
    tensors = rows([[0, 1], [1, 0]]).tensors("a")
    if fault == "nan":
        tensors["a.weights"] = np.array([1, np.nan], np.float32)
    elif fault == "outside":
        tensors["a.indices"] = np.array([1, 2], np.int32)
    elif fault == "bounds":
        tensors["a.indptr"] = np.array([0, 3, 2], np.int64)
    elif fault == "missing":
        del tensors["a.weights"]
    else:
        tensors["a.indices"] = tensors["a.indices"].astype(np.int64)
    with pytest.raises(InvalidModelError):
        ItemItemRecommender.from_tensors(tensors, serving(ServingComponent(name="a", weight=1)), 2)


def test_event_weights_follow_the_kind_of_event():
    """Promise: a kind the model was not told of counts nothing."""
    model = ItemItemRecommender({"a": rows([[0, 1], [0, 0]])}, serving(ServingComponent(name="a", weight=1)), 2)
    weights = model.event_weights([EventType.PURCHASE, EventType.VIEW_ITEM, EventType.RATE])
    assert weights.tolist() == [4.0, 1.0, 0.0]


def _twin(components, told, trend, prior):
    """All scores by the formula in plain numpy, and the terms they are made of: float64[history, items]."""
    history, weights, ages = told
    terms = np.zeros((len(history), len(trend)))
    for part, matrix in components:
        decay = 0.5 ** (np.arange(len(history)) / (part.half_life_events or np.inf))
        decay *= 0.5 ** ((ages - ages.min()) / (part.half_life_days or np.inf))
        terms += part.weight * (weights * decay)[:, None] * matrix[history]
    return terms.sum(0) * trend + prior, terms * trend


@pytest.mark.parametrize("seed", range(8))
def test_the_compiled_kernel_agrees_with_its_numpy_twin(seed):
    """Promise: list, scores and shares with trend and prior are the formula's; all evidence adds up to the score."""
    random, n = np.random.default_rng(seed), 60
    dense = random.random((2, n, n)) * (random.random((2, n, n)) < 0.1)
    for matrix in dense:
        np.fill_diagonal(matrix, 0)
    trend, prior = random.uniform(0.1, 3, n).astype(np.float32), (random.random(n) ** 4).astype(np.float32)
    parts = (
        ServingComponent(name="a", weight=1.0, half_life_events=3.0),
        ServingComponent(name="b", weight=0.4, half_life_days=7.0),
    )
    config = serving(*parts).model_copy(update={"prior_weight": 0.5, "trend": True})
    model = ItemItemRecommender({"a": rows(dense[0]), "b": rows(dense[1])}, config, n, Priors(prior, trend))
    history = random.choice(n, int(random.integers(1, 4)), replace=False)  # few: every cause is among the evidence
    told = (history, random.uniform(0.5, 4, len(history)), np.sort(random.random(len(history)) * 30))
    float_dense = dense.astype(np.float32).astype(float)
    expected, terms = _twin(list(zip(parts, float_dense, strict=True)), told, trend, 0.5 * prior)
    hidden = random.choice(n, 6, replace=False)
    expected[hidden] = 0
    ranked = model.rank(*told, k=15, excluded=hidden)
    assert ranked.items.tolist() == np.lexsort((np.arange(n), -expected))[:15].tolist()
    np.testing.assert_allclose(ranked.scores, expected[ranked.items], rtol=1e-5)
    added_up = ranked.evidence_shares.sum(1) * ranked.scores + 0.5 * prior[ranked.items]
    np.testing.assert_allclose(added_up, ranked.scores, rtol=1e-5)
    personal = terms[:, ranked.items].sum() / expected[ranked.items].sum()
    assert ranked.personal_share == pytest.approx(personal, rel=1e-5)


def test_many_queries_at_once_give_the_lists_of_each(random_model):
    """Promise: the batch is the single query, many times, and leaves nothing behind between two of them."""
    model, _, _ = random_model
    random = np.random.default_rng(1)
    told = [(random.integers(-1, 41, n), random.random(n), np.sort(random.random(n))) for n in (5, 0, 30, 1, 8) * 40]
    hidden = [random.integers(-1, 41, 7) for _ in told]
    bounds = [np.concatenate(([0], np.cumsum([len(one) for one in many]))) for many in ([t[0] for t in told], hidden)]
    queries = Queries(
        bounds[0], tuple(np.concatenate(part) for part in zip(*told, strict=True)), bounds[1], np.concatenate(hidden)
    )
    lists = model.rank_all(queries, k=10)
    for row, one, excluded in zip(lists, told, hidden, strict=True):
        assert row[row >= 0].tolist() == model.rank(*one, k=10, excluded=excluded).items.tolist()


@pytest.mark.parametrize(
    "fault", [{"prior": None}, {"trend": np.ones(3)}, {"prior": -np.ones(2)}, {"trend": [1, np.nan]}]
)
def test_unsound_priors_are_refused(fault):
    """Promise: a prior that is named but missing, of another length, below zero or not finite never serves."""
    config = serving(ServingComponent(name="a", weight=1)).model_copy(update={"prior_weight": 1.0, "trend": True})
    sound = {"prior": np.ones(2), "trend": np.ones(2)}
    arrays = {n: None if a is None else np.array(a, np.float32) for n, a in (sound | fault).items()}
    with pytest.raises(InvalidModelError):
        ItemItemRecommender({"a": rows([[0, 1], [1, 0]])}, config, 2, Priors(**arrays))
