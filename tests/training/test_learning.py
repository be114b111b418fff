"""Split, cases, choice and gate: what training decides between data and package."""

import numpy as np

from evershelf.models.sparse_rows import SparseRows
from evershelf.training.evaluate import cases, compare, served_lists
from evershelf.training.fit import Fitted, Fitter, Parameters
from evershelf.training.gate import gate, passed
from evershelf.training.pipeline import learn
from evershelf.training.selection import select_parameters
from evershelf.training.split import split_by_time
from evershelf.training.validate import Verdict, validate

BLEND = Parameters(co_visitation_weight=0.5, history_half_life_days=9.0, history_half_life_events=4.0)


def _split(data):
    split = split_by_time(data.interactions, test_days=10)
    measured = cases(split.before_test, split.test, now_days=split.test_since_days, limit=1_000)
    return split, measured, Fitter(split.before_test, now_days=split.test_since_days)


def test_windows_follow_each_other_in_time_and_lose_nothing(data):
    """Promise: all of train is older than all of tune, which is older than all of test."""
    for test_days in (None, 7.0):
        split = split_by_time(data.interactions, test_days=test_days)
        assert split.train.days.max() < split.tune_since_days <= split.tune.days.min()
        assert split.tune.days.max() < split.test_since_days <= split.test.days.min()
        assert len(split.train) + len(split.tune) + len(split.test) == len(data.interactions)


def test_a_case_asks_only_for_what_is_new_to_the_user(data):
    """Promise: targets were never seen before, histories are newest first and lie before the cut."""
    _, measured, _ = _split(data)
    assert len(measured) > 50
    for case in measured:
        assert not set(case.targets) & set(case.seen)
        assert set(case.items) <= set(case.seen)
        assert (np.diff(case.ages_days) >= 0).all()
        assert case.ages_days.min() > 0


def test_seen_items_are_never_served(data):
    """Promise: 'new to the user' keeps off the list whatever is in the history."""
    _, measured, fitter = _split(data)
    recommender = fitter.fit(BLEND).recommender()
    lists = served_lists(recommender, measured)
    assert all(not set(shown.tolist()) & set(case.seen) for shown, case in zip(lists, measured, strict=True))


def test_a_model_with_taste_passes_the_gate(data):
    """Promise: where users have taste, the model beats popularity with certainty."""
    _, measured, fitter = _split(data)
    fitted = fitter.fit(Parameters())
    comparison = compare(fitted.recommender(), fitter.popularity(None), measured, seed=1)
    assert comparison.difference.low > 0
    assert passed(gate(fitted, comparison, coverage_min=0.02))


def test_a_clone_of_popularity_does_not_pass(data):
    """Promise: a model whose every row is the popular list is told from a real one."""
    _, measured, fitter = _split(data)
    popularity = fitter.popularity(None)
    n = len(popularity)
    row = np.tile(popularity, n).astype(np.float32)
    rows = SparseRows(np.arange(0, n * n + 1, n), np.tile(np.arange(n, dtype=np.int32), n), row)
    fitted = fitter.fit(Parameters())
    clone = Fitted({"neighbours": rows}, fitted.serving, n, "clone", fitted.priors)
    failed = {
        check.name
        for check in gate(clone, compare(clone.recommender(), popularity, measured, seed=1), coverage_min=0)
        if not check.passed
    }
    assert "beats_popularity" in failed


def test_weights_that_are_not_finite_do_not_pass(data):
    """Promise: arrays are checked, not outputs: a few NaN leave all outputs finite."""
    _, measured, fitter = _split(data)
    fitted = fitter.fit(Parameters())
    comparison = compare(fitted.recommender(), fitter.popularity(None), measured, seed=1)
    fitted.rows["neighbours"].weights[3] = np.nan
    assert not gate(fitted, comparison, coverage_min=0)[0].passed


def test_the_choice_ends_at_its_limits(data):
    """Promise: neither more candidates nor more time than allowed, and always an answer."""
    _, measured, fitter = _split(data)
    assert select_parameters(fitter, measured, candidates_max=3, deadline_s=1e9, clock=lambda: 0.0).candidates == 3
    late = select_parameters(fitter, measured, candidates_max=24, deadline_s=0.0, clock=lambda: 1.0)
    assert (late.candidates, late.complete, late.parameters) == (1, False, Parameters())
    assert [trial.parameters for trial in late.trials] == [Parameters()]


def test_learning_repeats_by_seed(data, quick_settings):
    """Promise: same data and seed, same choice, same figures, same bytes."""
    first, again = learn(data, quick_settings), learn(data, quick_settings)
    assert first.selection == again.selection
    assert first.comparison == again.comparison
    for name, rows in first.fitted.rows.items():
        assert rows.weights.tobytes() == again.fitted.rows[name].weights.tobytes()


def test_checks_block_what_cannot_teach_and_warn_of_what_looks_odd(data, taste, quick_settings):
    """Promise: too few events block; old data only warn."""
    few = {check.name: check.verdict for check in validate(taste.training_data(taste.events(users=5)), quick_settings)}
    assert (few["events"], few["users"]) == (Verdict.BLOCK, Verdict.BLOCK)
    assert {check.verdict for check in validate(data, quick_settings)} == {Verdict.OK}
