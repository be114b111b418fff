"""The gate's judgement on figures: what holds a promotion, and what must not."""

import numpy as np
import pytest

from evershelf.contracts.inference import RankQuery
from evershelf.contracts.manifest import DataProfile
from evershelf.training.duel import compared
from evershelf.training.gate import accepted, against_champion, against_window, failures, population_stability
from evershelf.training.inspection import Surroundings, degeneracy

USERS = 400


def duel(gain, *, only=None):
    """Both models on USERS users with histories of 1 to 40; `gain` falls on those whose history is `only` so long."""
    random = np.random.default_rng(5)
    lengths = 1 + np.arange(USERS) % 40
    theirs = random.uniform(0.1, 0.3, USERS)
    factor = np.where((lengths == only) if only else np.ones(USERS, bool), 1 + gain, 1.0)
    return compared("m1", theirs, theirs * factor + random.normal(0, 0.002, USERS), lengths, seed=1)


@pytest.mark.parametrize(
    ("gain", "failed"),
    [(0.0, ()), (0.08, ()), (-0.10, ("not_worse_than_champion", "no_bucket_worse")), (0.21, ("explained_gain",))],
)
def test_a_candidate_is_held_when_it_is_worse_or_too_good_to_be_true(gain, failed):
    assert failures(against_champion(duel(gain))) == failed


def test_a_loss_among_one_sort_of_users_is_not_hidden_by_the_mean():
    # Promise: users with a single interaction are one in forty, and count all the same once there are enough of them.
    many = np.repeat(np.array([1, 30]), [40, 360])
    theirs = np.full(400, 0.2)
    ours = np.where(many == 1, 0.15, 0.21)
    assert failures(against_champion(compared("m1", theirs, ours, many, seed=1))) == ("no_bucket_worse",)


def test_an_operator_may_accept_a_gain_and_nothing_else():
    held = against_champion(duel(0.21))
    assert failures(accepted(held)) == ()
    assert "accepted by the operator" in accepted(held)[-1].detail
    assert failures(accepted(against_champion(duel(-0.10)))) == ("not_worse_than_champion", "no_bucket_worse")


def profile(**changes):
    views = {"view_item": 0.8, "purchase": 0.2}
    busy = {"busiest_1_percent": 0.2, "busiest_100_percent": 0.8}
    return DataProfile(**({"events_a_day": 1_000.0, "event_types": views, "items": busy, "users": busy} | changes))


@pytest.mark.parametrize(
    ("changes", "failed"),
    [
        ({}, ()),
        ({"events_a_day": 300.0}, ("data_volume",)),
        ({"event_types": {"purchase": 1.0}}, ("data_event_types",)),
        ({"items": {"busiest_1_percent": 0.9, "busiest_100_percent": 0.1}}, ("data_items",)),
    ],
)
def test_data_that_are_not_like_the_champions_hold_the_promotion(changes, failed):
    assert failures(against_window(profile(**changes), profile())) == failed
    assert against_window(profile(**changes), None) == ()


def test_the_stability_index_is_as_computed_by_hand():
    assert population_stability({"a": 0.5, "b": 0.5}, {"a": 0.5, "b": 0.5}) == 0
    assert population_stability({"a": 0.5, "b": 0.5}, {"a": 0.4, "b": 0.6}) == pytest.approx(0.0405, abs=1e-4)


def lists_of(shared):
    """A hundred users' lists of ten: the first `shared` places are the popular items, the rest are each user's own."""
    popular = [f"p{place}" for place in range(10)]
    lists = [(*popular[:shared], *(f"u{user}-{place}" for place in range(10 - shared))) for user in range(100)]
    histories = tuple(RankQuery(history=(), k=10) for _ in lists)
    return lists, Surroundings(histories, tuple(popular), None)


@pytest.mark.parametrize(
    ("shared", "failed"),
    [
        (1, ()),
        (4, ("overlap_between_users",)),
        (10, ("distinct_lists", "overlap_between_users", "overlap_with_popularity")),
    ],
)
def test_lists_that_are_alike_for_everybody_are_degenerate(shared, failed):
    lists, around = lists_of(shared)
    assert failures(degeneracy(lists, None, around, items=1_000)) == failed


def test_a_champion_with_little_choice_allows_twice_its_own_sameness():
    lists, around = lists_of(4)
    champion, _ = lists_of(3)
    assert "overlap_between_users" not in failures(degeneracy(lists, champion, around, items=1_000))


def test_other_items_than_the_champions_and_far_fewer_of_them_hold_the_promotion():
    lists, around = lists_of(1)
    others = [tuple(f"x{user % 2}-{place}" for place in range(10)) for user in range(100)]
    failed = failures(degeneracy(others, lists, around, items=1_000))
    assert {"coverage_of_champion", "overlap_with_champion"} <= set(failed)
