"""Figures of merit, checked by hand and against an implementation of their own."""

import numpy as np
import pytest

from evershelf.training.evaluate import Case
from evershelf.training.metrics import judge, ndcg_at, paired_bootstrap, recall_at, spread
from tests.training.metric_oracle import figures


def test_recall_is_the_share_of_targets_found():
    """Promise: two of five targets in the list are a recall of 0.4."""
    assert recall_at(np.array([True, False, True]), 5) == 0.4


def test_ndcg_discounts_by_place():
    """Promise: hits at places 1 and 3 of 3 targets give (1 + 1/2) / (1 + 1/log2(3) + 1/2)."""
    expected = 1.5 / (1 + 1 / np.log2(3) + 0.5)
    assert ndcg_at(np.array([True, False, True]), 3, k=20) == pytest.approx(expected)


def test_ndcg_of_a_full_list_is_one_however_many_targets_there_are():
    """Promise: a list of k hits cannot be improved."""
    assert ndcg_at(np.ones(20, bool), 57, k=20) == pytest.approx(1.0)


def test_a_short_list_is_judged_on_what_it_shows():
    """Promise: a list shorter than k, or empty, is no error."""
    assert ndcg_at(np.zeros(0, bool), 3, k=20) == 0.0


def test_the_interval_holds_the_mean_and_repeats_by_seed():
    """Promise: a bootstrap is a function of data and seed; a clear difference stays clear of zero."""
    differences = np.random.default_rng(1).normal(0.1, 0.2, 400)
    first, again = paired_bootstrap(differences, seed=5), paired_bootstrap(differences, seed=5)
    assert first == again
    assert 0 < first.low < first.mean < first.high
    assert paired_bootstrap(differences - differences.mean(), seed=5).low < 0


@pytest.mark.parametrize("seed", range(5))
def test_every_figure_is_that_of_an_independent_implementation(seed):
    """Promise: on random lists, short and empty ones among them, all figures agree with the definitions in words."""
    random = np.random.default_rng(seed)
    popularity = np.floor(random.random(60) * random.integers(0, 2, 60) * 30)
    popularity[0] = 7.0
    lists = [random.permutation(60)[: random.choice([0, 3, 15, 20])].astype(np.int32) for _ in range(80)]
    wanted = [np.sort(random.permutation(60)[: random.integers(1, 40)]) for _ in lists]
    nothing = np.empty(0, np.int64)
    asked = [Case(nothing.astype(np.int32), nothing, nothing.astype(float), nothing, targets) for targets in wanted]
    found = judge(lists, asked).means() | spread(lists, popularity)
    plain = ([row.tolist() for row in rows] for rows in (lists, wanted))
    expected = figures(*plain, popularity.tolist())
    assert found == pytest.approx(expected)
