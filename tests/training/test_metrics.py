"""Figures of merit, checked by hand."""

import numpy as np
import pytest

from evershelf.training.metrics import ndcg_at, paired_bootstrap, recall_at


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
