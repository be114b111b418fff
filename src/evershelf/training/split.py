"""Splits interactions by time, as production sees them: learn from the past, be measured on what came next."""

from dataclasses import dataclass

import numpy as np

from evershelf.models.interactions import Interactions

# Without a wish, the newest tenth of the events is the test and the tenth before it the tuning window.
WINDOW_SHARE = 0.1


@dataclass(frozen=True, slots=True)
class Split:
    """Global temporal windows: train < tune_since_days <= tune < test_since_days <= test."""

    train: Interactions
    tune: Interactions
    before_test: Interactions  # train and tune together: what the tested model may know
    test: Interactions
    tune_since_days: float
    test_since_days: float


def split_by_time(interactions: Interactions, *, test_days: float | None = None) -> Split:
    """The three windows; `test_days` asks for that many last days as test and as many before them for tuning.

    Events of one instant stay together. Raises ValueError where there are no interactions.
    """
    if not len(interactions):
        raise ValueError("there are no interactions to split")
    if test_days is None:
        tune_since, test_since = np.quantile(
            interactions.days, [1 - 2 * WINDOW_SHARE, 1 - WINDOW_SHARE], method="higher"
        )
    else:
        test_since = interactions.days.max() - test_days
        tune_since = test_since - test_days
    return Split(
        interactions.between(-np.inf, tune_since),
        interactions.between(tune_since, test_since),
        interactions.between(-np.inf, test_since),
        interactions.between(test_since, np.inf),
        float(tune_since),
        float(test_since),
    )
