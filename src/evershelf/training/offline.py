"""Measures the recipe on files, without a database: full ranking, what the user had is masked, figures as published.

Recall@k is the share of a user's test items found among k; NDCG@k compares with the best list of min(k, test items);
both are means over users (or next-interaction cases). Items that a user had are neither recommended nor asked for.
"""

import time
from dataclasses import dataclass

import numpy as np

from evershelf.models.content import Features
from evershelf.models.sparse_rows import Float64s, Int32s, SparseRows
from evershelf.training.evaluate import Case, popular_lists, served_lists
from evershelf.training.files import FileRefusedError
from evershelf.training.fit import Fitted, Fitter, Parameters
from evershelf.training.metrics import Judged, buckets, judge, paired_bootstrap, spread
from evershelf.training.protocols import Protocol
from evershelf.training.selection import Selection, select_parameters
from evershelf.training.space import space_of

K_MAX = 20
TUNE_CASES_MAX = 6_000
CANDIDATES_MAX = 120
# The final fit and the ranking of the test users need their time too.
_SHARE_OF_TIME_FOR_CHOOSING = 0.6

Figure = float | dict[str, dict[str, float]]


@dataclass(frozen=True, slots=True)
class OfflineFigures:
    """The figures by their published names, and the recipe they belong to."""

    figures: dict[str, Figure]
    selection: Selection


def evaluate_offline(
    protocol: Protocol,
    *,
    time_limit_s: float,
    features: Features | None = None,
    seed: int = 7,
    recipe: Parameters | None = None,
) -> OfflineFigures:
    """Chooses a recipe on a held-out part of what is known, fits it on all of that, and ranks for every test case.

    Raises:
        FileRefusedError: no user has test items that are new to him.
    """
    began_s = time.monotonic()
    measured = protocol.cases(seed=seed)
    if not measured:
        raise FileRefusedError("no user has test items that he did not have in train")
    if recipe is None:
        deadline_s = began_s + time_limit_s * _SHARE_OF_TIME_FOR_CHOOSING
        selection = _choose(protocol, features, deadline_s=deadline_s, seed=seed)
    else:
        selection = Selection(recipe, 0.0, 0, complete=True)
    fitter = Fitter(protocol.known, now_days=protocol.end_days, features=features)
    fitted = fitter.fit(selection.parameters)
    fallback = fitter.prior() if protocol.dated else fitter.popularity(None)
    model = judge(_filled(served_lists(fitted.recommender(), measured, k=K_MAX), fallback, measured), measured)
    figures: dict[str, Figure] = {
        **_beside_popularity(model, fitter.popularity(None), measured, seed=seed),
        **spread(model.lists, fitter.popularity(None)),
        "users": len(measured),
        "items": protocol.known.item_count,
        "history_buckets": buckets(model, measured),
        **_cold_figures(fitted, fitter.popularity(None), measured),
        "candidates": selection.candidates,
        "seconds": time.monotonic() - began_s,
    }
    return OfflineFigures(figures, selection)


def _choose(protocol: Protocol, features: Features | None, *, deadline_s: float, seed: int) -> Selection:
    inner = protocol.inner(seed=seed)
    fitter = Fitter(inner.known, now_days=inner.end_days, features=features)
    measured = inner.cases(seed=seed)
    if len(measured) > TUNE_CASES_MAX:
        chosen = np.sort(np.random.default_rng(seed).choice(len(measured), TUNE_CASES_MAX, replace=False))
        measured = [measured[place] for place in chosen]
    space = space_of(fitter, ordered=protocol.ordered, dated=protocol.dated)
    return select_parameters(
        fitter, measured, candidates_max=CANDIDATES_MAX, deadline_s=deadline_s, space=space, seed=seed
    )


def _filled(lists: list[Int32s], fallback: Float64s, measured: list[Case]) -> list[Int32s]:
    """The model's lists, filled from the popular ones where they are short: the shelf is never empty."""
    popular = popular_lists(fallback, measured, k=2 * K_MAX)
    return [
        own if len(own) == K_MAX else np.concatenate((own, fill[~np.isin(fill, own)]))[:K_MAX].astype(np.int32)
        for own, fill in zip(lists, popular, strict=True)
    ]


def _beside_popularity(model: Judged, popularity: Float64s, measured: list[Case], *, seed: int) -> dict[str, float]:
    baseline = judge([shown.astype(np.int32) for shown in popular_lists(popularity, measured)], measured)
    gain = paired_bootstrap(model.ndcg_10 - baseline.ndcg_10, seed=seed)
    return {
        **model.means(),
        "popularity_recall@20": float(baseline.recall_20.mean()),
        "popularity_ndcg@10": float(baseline.ndcg_10.mean()),
        "ndcg@10_gain_low": gain.low,
        "ndcg@10_gain_high": gain.high,
    }


def _cold_figures(fitted: Fitted, popularity: Float64s, measured: list[Case]) -> dict[str, float]:
    """Among items that nobody had: how well the model finds the wanted ones, beside chance. Nothing where none are."""
    cold = popularity == 0
    asked = [
        Case(case.items, case.kinds, case.ages_days, case.seen, case.targets[cold[case.targets]])
        for case in measured
        if cold[case.targets].any() and len(case.items)
    ]
    if not asked:
        return {}
    rows = {name: _only(matrix, cold) for name, matrix in fitted.rows.items()}
    serving = fitted.serving.model_copy(update={"prior_weight": 0.0})
    among_cold = Fitted(rows, serving, fitted.items, fitted.neighbours, fitted.priors)
    found = judge(served_lists(among_cold.recommender(), asked, k=K_MAX), asked)
    return {
        "cold_items": int(cold.sum()),
        "cold_users": len(asked),
        "cold_recall@10": float(found.recall_10.mean()),
        "cold_ndcg@10": float(found.ndcg_10.mean()),
        "cold_hit_rate@10": float(found.hit_10.mean()),
        "cold_random_recall@10": min(10 / int(cold.sum()), 1.0),
    }


def _only(rows: SparseRows, wanted: "np.ndarray[tuple[int], np.dtype[np.bool_]]") -> SparseRows:
    kept = wanted[rows.indices]
    lengths = np.bincount(np.repeat(np.arange(rows.items), rows.lengths())[kept], minlength=rows.items)
    return SparseRows(
        np.concatenate(([0], np.cumsum(lengths))).astype(np.int64), rows.indices[kept], rows.weights[kept]
    )
