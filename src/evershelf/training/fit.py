"""Fits one model from one set of parameters: matrices, how to serve them, and the popularity it has to beat."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from evershelf.contracts.events import INTERACTIONS, EventType
from evershelf.contracts.manifest import ServingComponent, ServingConfig
from evershelf.models.co_visitation import CoVisitationConfig, fit_co_visitation
from evershelf.models.content import ContentConfig, Features, fit_content
from evershelf.models.ease import ITEMS_MAX, EaseConfig, fit_ease
from evershelf.models.interactions import EVENT_TYPES, Interactions
from evershelf.models.local_ease import LocalEaseConfig, fit_local_ease
from evershelf.models.popularity import fit_popularity
from evershelf.models.pruning import strongest_together
from evershelf.models.recommender import ItemItemRecommender, Priors
from evershelf.models.sparse_rows import Float32s, Float64s, SparseRows

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

CONTENT = "content"

PRIOR_HALF_LIFE_DAYS = 14.0
# So many events spread by all-time share keep the prior sensible where nothing happened lately.
PRIOR_PSEUDO_EVENTS = 1_000.0
TREND_HALF_LIFE_DAYS = 7.0
TREND_BASE_HALF_LIFE_DAYS = 90.0
TREND_PSEUDO_USERS = (1.0, 5.0)
TREND_RANGE = (0.1, 10.0)
# More of a history than this does not count when components share the weights of a row.
HEARD_MAX = 50.0


@dataclass(frozen=True, slots=True)
class Parameters:
    """All that is chosen on the tuning window. Weights of 0 leave a component out; None leaves a decay out."""

    neighbours_weight: float = 1.0
    co_visitation_weight: float = 0.0
    regularisation: float = 100.0
    dropout: float = 0.0
    user_damping: float = 0.3
    # A neighbour's word counts popularity ** -source_damping: that somebody had what everybody has says little of him.
    source_damping: float = 0.0
    training_half_life_days: float | None = 90.0
    # Items whose share of users has grown of late count more: (recent share / usual share) ** trend.
    trend: float = 0.5
    history_half_life_days: float | None = 60.0
    history_half_life_events: float | None = None
    # What follows an item soon is told by the newest few interactions; None: as the rest of the history.
    co_visitation_half_life_events: float | None = None
    # How many steps apart two items may be, and what each further step takes away.
    co_visitation_window: int = 10
    co_visitation_step_decay: float = 0.8
    co_visitation_alpha: float = 0.3
    co_visitation_source_alpha: float = 0.8
    co_visitation_backward: float = 0.1
    content_weight: float = 0.0
    # What popularity adds, on the scale of one fresh look at an item's nearest neighbour.
    prior_weight: float = 0.0
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
    priors: Priors = field(default_factory=Priors)

    def recommender(self) -> ItemItemRecommender:
        """The model as inference would serve it."""
        return ItemItemRecommender(self.rows, self.serving, self.items, self.priors)


class Fitter:
    """Fits on one window; remembers matrices, since most candidates differ only in how they serve."""

    def __init__(self, interactions: Interactions, *, now_days: float, features: Features | None = None) -> None:
        """`features` describe the same items; without them there is no content component."""
        self.interactions = interactions
        self.has_content = features is not None and features.nnz > 0
        self._features = features
        self._now_days = now_days
        self._matrices: dict[tuple[Any, ...], SparseRows] = {}  # Any: a key is whatever a matrix depends on
        self._popularities: dict[float | None, Float64s] = {}

    def fit(self, parameters: Parameters, *, neighbours: SparseRows | None = None) -> Fitted:
        """The model of these parameters, WEIGHTS_PER_ROW weights a row at most over all components.

        The same parameters give the same bytes. `neighbours`: fitted already.
        """
        rows = {}
        if parameters.neighbours_weight > 0:
            rows[NEIGHBOURS] = neighbours or self._neighbours(parameters)
        if parameters.co_visitation_weight > 0:
            rows[CO_VISITATION] = self._co_visitation(parameters)
        if parameters.content_weight > 0 and self.has_content:
            rows[CONTENT] = self._content()
        serving = ServingConfig(
            components=tuple(_component(name, parameters) for name in rows),
            event_weights=parameters.event_weights,
            prior_weight=parameters.prior_weight,
            trend=parameters.trend > 0,
        )
        priors = Priors(
            np.asarray(self.prior(), np.float32) if parameters.prior_weight > 0 else None,
            self._trend(parameters.trend) if parameters.trend > 0 else None,
        )
        scale = {part.name: part.weight * _heard(part.half_life_events) for part in serving.components}
        together = strongest_together(rows, scale)
        return Fitted(together, serving, self.interactions.item_count, self.neighbours_algorithm, priors)

    @property
    def neighbours_algorithm(self) -> str:
        """EASE where its dense inverse is affordable, else local EASE."""
        return "ease" if self.interactions.item_count <= ITEMS_MAX else "local_ease"

    def popularity(self, half_life_days: float | None) -> Float64s:
        """float64[items]: the baseline, by distinct users with old interest fading."""
        if half_life_days not in self._popularities:
            self._popularities[half_life_days] = fit_popularity(
                self.interactions,
                now_days=self._now_days,
                half_life_days=half_life_days,
                kind_weights=learning_weights(self.interactions, FLAT_WEIGHTS),
            )
        return self._popularities[half_life_days]

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
            self._matrices[key] = fit(self.interactions, ease, now_days=self._now_days, kind_weights=worth)
        return _of_unit_strength(self._damped(self._matrices[key], parameters.source_damping))

    def _damped(self, rows: SparseRows, power: float) -> SparseRows:
        if power == 0:
            return rows
        factors = np.maximum(self.popularity(None), 1.0) ** -power
        weights = rows.weights * np.repeat(factors, rows.lengths())
        return SparseRows(rows.indptr, rows.indices, weights.astype(np.float32))

    def _co_visitation(self, parameters: Parameters) -> SparseRows:
        config = CoVisitationConfig(
            half_life_days=parameters.training_half_life_days,
            window=parameters.co_visitation_window,
            step_decay=parameters.co_visitation_step_decay,
            alpha=parameters.co_visitation_alpha,
            source_alpha=parameters.co_visitation_source_alpha,
            backward=parameters.co_visitation_backward,
        )
        key = (config, parameters.graded_events)
        if key not in self._matrices:
            worth = learning_weights(self.interactions, parameters.event_weights)
            rows = fit_co_visitation(self.interactions, config, now_days=self._now_days, kind_weights=worth)
            self._matrices[key] = _of_unit_strength(rows)
        return self._matrices[key]

    def _content(self) -> SparseRows:
        assert self._features is not None, "asked only where there are features"
        if (CONTENT,) not in self._matrices:
            events = np.bincount(self.interactions.items, minlength=self.interactions.item_count).astype(np.float64)
            self._matrices[(CONTENT,)] = _of_unit_strength(fit_content(self._features, events, ContentConfig()))
        return self._matrices[(CONTENT,)]

    def prior(self) -> Float64s:
        """Recent popularity on a cushion of all-time popularity; the most popular item has 1."""
        lasting = self.popularity(None)
        cushioned = self.popularity(PRIOR_HALF_LIFE_DAYS) + PRIOR_PSEUDO_EVENTS * lasting / max(lasting.sum(), 1.0)
        return np.asarray(cushioned / max(cushioned.max(initial=0.0), 1e-9), np.float64)

    def _trend(self, power: float) -> Float32s:
        """How an item's share of the users has grown of late, to that power."""
        recent = self.popularity(TREND_HALF_LIFE_DAYS) + TREND_PSEUDO_USERS[0]
        usual = self.popularity(TREND_BASE_HALF_LIFE_DAYS) + TREND_PSEUDO_USERS[1]
        growth = (recent / recent.sum()) / (usual / usual.sum())
        return np.asarray(np.clip(growth**power, *TREND_RANGE), np.float32)


def _component(name: str, parameters: Parameters) -> ServingComponent:
    """How much a matrix says, and how soon the history fades for it."""
    weight, half_life_events = {
        NEIGHBOURS: (parameters.neighbours_weight, parameters.history_half_life_events),
        CO_VISITATION: (
            parameters.co_visitation_weight,
            parameters.co_visitation_half_life_events or parameters.history_half_life_events,
        ),
        CONTENT: (parameters.content_weight, parameters.history_half_life_events),
    }[name]
    return ServingComponent(
        name=name,
        weight=weight,
        half_life_events=half_life_events,
        half_life_days=parameters.history_half_life_days,
    )


def _heard(half_life_events: float | None) -> float:
    """How many fresh interactions a long history is worth: the sum of its decays, at most HEARD_MAX."""
    return HEARD_MAX if half_life_events is None else min(1 / (1 - 0.5 ** (1 / half_life_events)), HEARD_MAX)


def _fit_local_ease(
    interactions: Interactions, ease: EaseConfig, *, now_days: float, kind_weights: Float64s
) -> SparseRows:
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
