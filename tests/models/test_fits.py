"""What each algorithm learns, checked against its formula on data small enough to do by hand."""

import numpy as np
import pytest

from evershelf.contracts.events import EventType
from evershelf.contracts.manifest import ServingComponent, ServingConfig
from evershelf.models.co_visitation import CoVisitationConfig, fit_co_visitation
from evershelf.models.content import ContentConfig, Described, features_of, fit_content
from evershelf.models.ease import ITEMS_MAX, EaseConfig, fit_ease
from evershelf.models.interactions import EVENT_CODES, EVENT_TYPES, Interactions
from evershelf.models.item_knn import ItemKnnConfig, fit_item_knn
from evershelf.models.popularity import category_prefixes, fit_popularity, top_items
from evershelf.models.pruning import WEIGHTS_PER_ROW, strongest, strongest_together
from evershelf.models.related import blended_rows, first_known, translated_rows
from evershelf.training.fit import Fitter, Parameters

EVEN = np.ones(len(EVENT_TYPES))


def interactions(*rows, items):
    users, columns, days = zip(*rows, strict=True)
    kinds = np.full(len(rows), EVENT_CODES[EventType.VIEW_ITEM], np.int8)
    return Interactions.ordered(
        np.array(users, np.int32), np.array(columns, np.int32), np.array(days, float), kinds,
        user_count=max(users) + 1, item_count=items,
    )  # fmt: skip


def dense(rows):
    matrix = np.zeros((rows.items, rows.items))
    for row in range(rows.items):
        part = slice(rows.indptr[row], rows.indptr[row + 1])
        matrix[row, rows.indices[part]] = rows.weights[part]
    return matrix


@pytest.fixture
def random_interactions():
    random = np.random.default_rng(11)
    rows = [(int(random.integers(60)), int(random.integers(12)), float(random.random() * 30)) for _ in range(500)]
    return interactions(*rows, items=12)


def test_ease_is_the_closed_form(random_interactions):
    """Promise: B = -P[i, j] / P[j, j] with P = (X'X + lambda I)^-1, its negative part cut off."""
    found = dense(
        fit_ease(random_interactions, EaseConfig(regularisation=5.0, user_damping=0.0), now_days=30, kind_weights=EVEN)
    )
    seen = random_interactions.user_items(np.ones(len(random_interactions))).toarray()
    precision = np.linalg.inv(seen.T @ seen + 5.0 * np.eye(12))
    expected = -precision / np.diag(precision)
    np.fill_diagonal(expected, 0.0)
    np.testing.assert_allclose(found, np.maximum(expected, 0), atol=1e-5)


def test_ease_leaves_items_without_interactions_without_rows():
    """Promise: an unseen item neither recommends nor is recommended, and no division fails."""
    known = interactions((0, 0, 1), (0, 2, 2), (1, 0, 1), (1, 2, 3), items=4)
    lengths = fit_ease(known, EaseConfig(regularisation=1.0), now_days=3, kind_weights=EVEN).lengths()
    assert lengths.tolist() == [1, 0, 1, 0]
    nobody = known.between(99, 100)
    assert len(fit_ease(nobody, EaseConfig(), now_days=3, kind_weights=EVEN).weights) == 0


def test_co_visitation_counts_pairs_by_distance_and_direction():
    """Promise: 0, 1, 2 in a row gives 0.8 a step forward, 0.64 two steps, and the backward share of each."""
    config = CoVisitationConfig(backward=0.5, alpha=0, source_alpha=0)
    found = dense(
        fit_co_visitation(
            interactions((0, 0, 1), (0, 1, 2), (0, 1, 3), (0, 2, 4), items=3), config, now_days=4, kind_weights=EVEN
        )
    )
    np.testing.assert_allclose(found, [[0, 0.8, 0.64], [0.4, 0, 0.8], [0.32, 0.4, 0]], rtol=1e-6)


def test_co_visitation_keeps_users_apart():
    """Promise: the last item of one user and the first of the next are no pair."""
    found = fit_co_visitation(
        interactions((0, 0, 1), (1, 1, 2), items=2), CoVisitationConfig(), now_days=2, kind_weights=EVEN
    )
    assert len(found.weights) == 0


def test_neighbours_are_cosines_when_nothing_is_shrunk(random_interactions):
    """Promise: without shrinkage and damping the weights are cosines of user columns."""
    config = ItemKnnConfig(shrinkage=0.0, user_damping=0.0)
    found = dense(fit_item_knn(random_interactions, config, now_days=30, kind_weights=EVEN))
    seen = random_interactions.user_items(np.ones(len(random_interactions))).toarray()
    gram = seen.T @ seen
    expected = gram / np.sqrt(np.outer(np.diag(gram), np.diag(gram)))
    np.fill_diagonal(expected, 0)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_popularity_counts_users_and_lets_old_interest_fade():
    """Promise: a user counts once, by his newest interaction; a half-life ago counts half."""
    seen = interactions((0, 0, 0), (0, 0, 10), (1, 0, 10), (2, 1, 3), items=3)
    found = fit_popularity(seen, now_days=10, half_life_days=7, kind_weights=EVEN)
    np.testing.assert_allclose(found, [2.0, 0.5, 0.0])
    assert top_items(np.array([1.0, 3.0, 3.0, 0.0]), np.array([0, 1, 2, 3]), 3).tolist() == [1, 2, 0]
    assert category_prefixes("home/kitchen/mugs") == ["home", "home/kitchen", "home/kitchen/mugs"]


def test_pruning_keeps_the_strongest_and_breaks_ties_by_column():
    """Promise: the largest weights a row, none on the diagonal, none that is not positive."""
    owners, columns = np.array([0, 0, 0, 0, 1, 1]), np.array([3, 2, 1, 0, 0, 2])
    rows = strongest(owners, columns, np.array([1.0, 1.0, 2.0, 9.0, -1.0, 0.0]), items=4, per_row=2)
    assert rows.indptr.tolist() == [0, 2, 2, 2, 2]
    assert rows.indices.tolist() == [1, 2]


def test_related_items_blend_components_and_fall_back_row_by_row():
    """Promise: weights add up over components; an item the model does not know takes the next source's row."""
    first = strongest(np.array([0, 0]), np.array([1, 2]), np.array([1.0, 0.5]), items=3, per_row=9)
    second = strongest(np.array([0, 1]), np.array([2, 2]), np.array([2.0, 4.0]), items=3, per_row=9)
    parts = (ServingComponent(name="a", weight=1.0), ServingComponent(name="b", weight=0.5))
    blended = blended_rows({"a": first, "b": second}, ServingConfig(components=parts, event_weights={}))
    np.testing.assert_allclose(dense(blended), [[0, 1, 1.5], [0, 0, 2], [0, 0, 0]])
    np.testing.assert_allclose(dense(first_known([first, second])), [[0, 1, 0.5], [0, 0, 1], [0, 0, 0]])
    moved = translated_rows(first, np.array([1, -1, 0]), 2)
    np.testing.assert_allclose(dense(moved), [[0, 0], [0.5, 0]])


DESCRIBED = [
    Described("Red mug", ("kitchen/mugs",), price=900),
    Described("Blue mug", ("kitchen/mugs",), price=950),
    Described("Steel pan", ("kitchen/pans",), price=4_000),
    Described("Garden chair", ("garden",), ("brand=oak",), 9_000),
    Described("Garden table", ("garden",), ("brand=oak",), 9_100),
    Described(),
]


def test_content_finds_what_is_described_alike():
    """Promise: the nearest item shares most rare tokens; an item nobody describes has no row and is in none."""
    found = dense(fit_content(features_of(DESCRIBED), np.zeros(6), ContentConfig()))
    assert found.argmax(1)[:5].tolist() == [1, 0, 0, 4, 3] or found.argmax(1)[:5].tolist() == [1, 0, 1, 4, 3]
    assert not found[5].any()
    assert not found[:, 5].any()
    assert found.max() <= 1 + 1e-6
    cosines = (features_of(DESCRIBED) @ features_of(DESCRIBED).T).toarray()
    np.fill_diagonal(cosines, 0)
    np.testing.assert_allclose(found, cosines, atol=1e-6)


def test_content_gives_way_as_evidence_grows():
    """Promise: a pair counts wholly while one of both is new, and falls to the floor when both are well known."""
    config = ContentConfig(half_known_events=5, floor=0.25)
    features = features_of(DESCRIBED)
    fresh, one_known, half, known = (
        dense(fit_content(features, np.array([*events, 0, 0, 0, 0]), config))[0, 1]
        for events in ((0.0, 0.0), (1e9, 0.0), (5.0, 5.0), (1e9, 1e9))
    )
    assert one_known == pytest.approx(fresh)
    assert half == pytest.approx(fresh * (1 - 0.75 * 0.25))
    assert known == pytest.approx(fresh * 0.25, rel=1e-4)


def test_all_components_together_keep_so_many_weights_a_row():
    """Promise: a row keeps what counts most once it is weighed, and some of each component whatever it says."""
    random = np.random.default_rng(3)
    parts = {}
    for name in ("a", "b"):
        owners, columns = np.nonzero(random.random((60, 60)) < 0.7)
        parts[name] = strongest(owners, columns, random.random(len(owners)), items=60, per_row=30)
    scale = {"a": 1.0, "b": 0.6}
    kept = strongest_together(parts, scale, per_row=35)
    weighed = {name: dense(rows) * scale[name] for name, rows in parts.items()}
    for row in range(60):
        first, second = (np.sort(weighed[name][row])[::-1] for name in parts)
        rest = np.sort(np.concatenate((first[10:], second[10:])))[::-1][:15]
        expected = np.sort(np.concatenate((first[:10], second[:10], rest)))
        left = np.sort(np.concatenate([dense(kept[name])[row] * scale[name] for name in parts]))[-35:]
        np.testing.assert_allclose(left, expected, rtol=1e-6)
    weak = strongest_together(parts, {"a": 1.0, "b": 1e-9}, per_row=35)
    assert (weak["b"].lengths() == 10).all()
    assert strongest_together({"a": parts["a"]}, {"a": 1.0})["a"] is parts["a"]


def test_a_fitted_blend_has_the_promised_number_of_weights_a_row():
    """Promise: no row of a model holds more than WEIGHTS_PER_ROW weights, all its components added up."""
    random = np.random.default_rng(5)
    seen = [(int(user), int(item), float(day)) for day, (user, item) in enumerate(random.integers(0, 250, (20_000, 2)))]
    described = features_of([Described(f"thing {item % 7} of {item % 11}") for item in range(250)])
    fitter = Fitter(interactions(*seen, items=250), now_days=20_000.0, features=described)
    weights = {"neighbours_weight": 1.0, "co_visitation_weight": 0.5, "content_weight": 0.1}
    rows = fitter.fit(Parameters(**weights, training_half_life_days=None)).rows
    assert set(rows) == {"neighbours", "co_visitation", "content"}
    totals = sum(matrix.lengths() for matrix in rows.values())
    assert totals.max() == WEIGHTS_PER_ROW
    assert all((matrix.lengths() >= 10).all() for matrix in rows.values())


def test_a_component_that_hears_more_of_a_history_keeps_more_weights():
    """Promise: components share a row by what they say over a whole history, not to its newest interaction alone."""
    random = np.random.default_rng(5)
    seen = [(int(user), int(item), float(day)) for day, (user, item) in enumerate(random.integers(0, 250, (20_000, 2)))]
    fitter = Fitter(interactions(*seen, items=250), now_days=20_000.0)

    def kept(followed_events):
        half_lives = {"history_half_life_events": 8.0, "co_visitation_half_life_events": followed_events}
        rows = fitter.fit(Parameters(co_visitation_weight=1.0, training_half_life_days=None, **half_lives)).rows
        return rows["neighbours"].lengths().mean()

    assert kept(1.0) > kept(2.0) > kept(None) > kept(40.0)


@pytest.mark.parametrize("items", [12, ITEMS_MAX + 1])
def test_what_everybody_has_says_less_of_a_user(items):
    """Promise: the row of an item counts users ** -source_damping, whichever way it was fitted; its order stays."""
    rows = [(user, item, 1.0) for user in range(30) for item in range(12) if (user * item) % (item + 2) < 3]
    fitter = Fitter(interactions(*rows, items=items), now_days=2.0)
    plain, damped = (
        fitter.fit(Parameters(training_half_life_days=None, trend=0.0, source_damping=power)).rows["neighbours"]
        for power in (0.0, 0.5)
    )
    np.testing.assert_array_equal(damped.indices, plain.indices)
    users = np.repeat(fitter.popularity(None), plain.lengths())
    ratio = damped.weights / plain.weights * np.sqrt(users)
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-5)
