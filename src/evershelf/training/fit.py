"""Fits one model from one set of parameters: matrices, how to serve them, and the popularity it has to beat."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from evershelf.contracts.events import INTERACTIONS, EventType
from evershelf.contracts.manifest import ServingComponent, ServingConfig
from evershelf.models.co_visitation import CoVisitationConfig, fit_co_visitation
from evershelf.models.ease import ITEMS_MAX, EaseConfig, fit_ease
from evershelf.models.interactions import EVENT_TYPES, Interactions
from evershelf.models.popularity import fit_popularity
from evershelf.models.recommender import ItemItemRecommender
from evershelf.models.sparse_rows import Float64s, SparseRows

# What an interaction says about interest, relative to a look. Ratings carry no sign here: to rate is to have used.
GRADED_WEIGHTS: dict[EventType, float] = {
    EventType.SELECT_ITEM: 1.0,
    EventType.VIEW_ITEM: 1.0,
    EventType.ADD_TO_WISHLIST: 2.0,
    EventType.ADD_TO_CART: 3.0,
    EventType.PURCHASE: 4.0,
    EventType.RATE: 3.0,
    EventType.CONSUME: 3.0,
}
FLAT_WEIGHTS: dict[EventType, float] = dict.fromkeys(sorted(INTERACTIONS), 1.0)

NEIGHBOURS = "neighbours"
CO_VISITATION = "co_visitation"

TREND_HALF_LIFE_DAYS = 7.0
TREND_BASE_HALF_LIFE_DAYS = 90.0
TREND_PSEUDO_USERS = (1.0, 5.0)
TREND_RANGE = (0.1, 10.0)


@dataclass(frozen=True, slots=True)
class Parameters:
    """All that is chosen on the tuning window. Weights of 0 leave a component out; None leaves a decay out."""

    neighbours_weight: float = 1.0
    co_visitation_weight: float = 0.0
    regularisation: float = 100.0
    dropout: float = 0.0
    user_damping: float = 0.3
    training_half_life_days: float | None = 90.0
    # Items whose share of users has grown of late count more: (recent share / usual share) ** trend.
    trend: float = 0.5
    history_half_life_days: float | None = 60.0
    history_half_life_events: float | None = None
    # What follows an item soon is told by the newest few interactions; None: as the rest of the history.
    co_visitation_half_life_events: float | None = None
    graded_events: bool = True

    @property
    def event_weights(self) -> dict[EventType, float]:
        """What an interaction of the history counts by its kind."""
        return GRADED_WEIGHTS if self.graded_events else FLAT_WEIGHTS


@dataclass(frozen=True, slots=True)
class Fitted:
    """A model before it is packaged."""

    rows: dict[str, SparseRows]
    serving: ServingConfig
    items: int
    neighbours: str  # the algorithm behind the component of that name

    def recommender(self) -> ItemItemRecommender:
        """The model as inference would serve it."""
        return ItemItemRecommender(self.rows, self.serving, self.items)


class Fitter:
    """Fits on one window; remembers matrices, since most candidates differ only in how they serve."""

    def __init__(self, interactions: Interactions, *, now_days: float) -> None:
        self.interactions = interactions
        self._now_days = now_days
        self._matrices: dict[tuple[Any, ...], SparseRows] = {}  # Any: a key is whatever a matrix depends on
        self._trends: dict[float, Float64s] = {}

    def fit(self, parameters: Parameters) -> Fitted:
        """The model of these parameters; the same parameters give the same bytes."""
        rows = {}
        if parameters.neighbours_weight > 0:
            rows[NEIGHBOURS] = self._neighbours(parameters)
        if parameters.co_visitation_weight > 0:
            rows[CO_VISITATION] = self._co_visitation(parameters)
        weights = {NEIGHBOURS: parameters.neighbours_weight, CO_VISITATION: parameters.co_visitation_weight}
        half_lives_events = {
            NEIGHBOURS: parameters.history_half_life_events,
            CO_VISITATION: parameters.co_visitation_half_life_events or parameters.history_half_life_events,
        }
        components = tuple(
            ServingComponent(
                name=name,
                weight=weights[name],
                half_life_events=half_lives_events[name],
                half_life_days=parameters.history_half_life_days,
            )
            for name in rows
        )
        serving = ServingConfig(components=components, event_weights=parameters.event_weights)
        trended = {name: self._trended(matrix, parameters.trend) for name, matrix in rows.items()}
        return Fitted(trended, serving, self.interactions.item_count, self.neighbours_algorithm)

    @property
    def neighbours_algorithm(self) -> str:
        """EASE where its dense inverse is affordable, else local EASE."""
        return "ease" if self.interactions.item_count <= ITEMS_MAX else "local_ease"

    def popularity(self, half_life_days: float | None) -> Float64s:
        """float64[items]: the baseline, by distinct users with old interest fading."""
        return fit_popularity(
            self.interactions,
            now_days=self._now_days,
            half_life_days=half_life_days,
            kind_weights=learning_weights(self.interactions, FLAT_WEIGHTS),
        )

    def _neighbours(self, parameters: Parameters) -> SparseRows:
        half_life, graded = parameters.training_half_life_days, parameters.graded_events
        key = (NEIGHBOURS, half_life, graded, parameters.regularisation, parameters.dropout, parameters.user_damping)
        if key not in self._matrices:
            worth = learning_weights(self.interactions, parameters.event_weights)
            ease = EaseConfig(
                regularisation=parameters.regularisation,
                user_damping=parameters.user_damping,
                dropout=parameters.dropout,
                half_life_days=half_life,
            )
            fit = fit_ease if self.neighbours_algorithm == "ease" else _fit_local_ease
            rows = fit(self.interactions, ease, now_days=self._now_days, kind_weights=worth)
            self._matrices[key] = _of_unit_strength(rows)
        return self._matrices[key]

    def _co_visitation(self, parameters: Parameters) -> SparseRows:
        key = (CO_VISITATION, parameters.training_half_life_days, parameters.graded_events)
        if key not in self._matrices:
            config = CoVisitationConfig(half_life_days=parameters.training_half_life_days)
            worth = learning_weights(self.interactions, parameters.event_weights)
            rows = fit_co_visitation(self.interactions, config, now_days=self._now_days, kind_weights=worth)
            self._matrices[key] = _of_unit_strength(rows)
        return self._matrices[key]

    def _trended(self, rows: SparseRows, trend: float) -> SparseRows:
        if trend not in self._trends:
            recent = self.popularity(TREND_HALF_LIFE_DAYS) + TREND_PSEUDO_USERS[0]
            usual = self.popularity(TREND_BASE_HALF_LIFE_DAYS) + TREND_PSEUDO_USERS[1]
            growth = (recent / recent.sum()) / (usual / usual.sum())
            self._trends[trend] = np.clip(growth**trend, *TREND_RANGE)
        factors = self._trends[trend][rows.indices].astype(np.float32)
        return SparseRows(rows.indptr, rows.indices, rows.weights * factors)


def _fit_local_ease(
    interactions: Interactions, ease: EaseConfig, *, now_days: float, kind_weights: Float64s
) -> SparseRows:
    # numba is loaded only where it is used: it takes a second, and most shops are small.
    from evershelf.models.local_ease import LocalEaseConfig, fit_local_ease  # noqa: PLC0415

    config = LocalEaseConfig(
        regularisation=ease.regularisation,
        user_damping=ease.user_damping,
        dropout=ease.dropout,
        half_life_days=ease.half_life_days,
        weights_per_row=ease.weights_per_row,
    )
    return fit_local_ease(interactions, config, now_days=now_days, kind_weights=kind_weights)


def learning_weights(interactions: Interactions, weights: dict[EventType, float]) -> Float64s:
    """float64[kinds] in 0..1, where the strongest kind that occurs in the data counts 1."""
    by_code = np.array([weights.get(kind, 0.0) for kind in EVENT_TYPES], np.float64)
    occurring = by_code[np.unique(interactions.kinds)] if len(interactions) else by_code
    return np.asarray(np.minimum(by_code / max(occurring.max(), 1e-9), 1.0), np.float64)


def _of_unit_strength(rows: SparseRows) -> SparseRows:
    """The matrix scaled so that rows peak at 1 on average: blend weights then mean the same for every component."""
    peaks = rows.weights[rows.indptr[:-1][rows.lengths() > 0]]  # rows begin with their strongest weight
    if not len(peaks):
        return rows
    return SparseRows(rows.indptr, rows.indices, (rows.weights / peaks.mean()).astype(np.float32))
