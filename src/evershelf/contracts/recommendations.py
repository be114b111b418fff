"""The question "what shall we show here?" and its explained answer."""

from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from evershelf.contracts.catalog import Item
from evershelf.contracts.identifiers import CategoryPath, ItemId, PlacementName, SessionId, UserId

K_MAX = 100
CONTEXT_ITEMS_MAX = 50
EXCLUDED_MAX = 500
BECAUSE_MAX = 3


class Source(StrEnum):
    """Which rung produced an item or a list, best first."""

    MODEL = "model"
    RELATED = "related"
    POPULAR_IN_CATEGORY = "popular_in_category"
    POPULAR = "popular"
    STATIC = "static"


class Reason(StrEnum):
    """Why that source answered. Closed; every value is explained in docs/reference/reasons.md."""

    # A source answered
    PERSONALIZED = "personalized"  # from this user's history
    CONTEXTUAL = "contextual"  # from the items on the page or in the cart
    FAVOURITE_CATEGORY = "favourite_category"  # popular where this user has been looking
    POPULAR = "popular"
    STATIC = "static"
    # The model had no part in it, and nothing is wrong
    NO_HISTORY = "no_history"
    EMPTY_MODEL_ANSWER = "empty_model_answer"
    LOW_CONFIDENCE = "low_confidence"
    NOT_IN_LADDER = "not_in_ladder"  # the placement does not ask the model
    HOLDOUT = "holdout"  # this user gets the baseline on purpose, so that the model's uplift can be measured
    # The model had no part in it, because of trouble
    DEADLINE_EXCEEDED = "deadline_exceeded"
    BUDGET_TOO_SMALL = "budget_too_small"
    OVERLOADED = "overloaded"
    HISTORY_UNAVAILABLE = "history_unavailable"
    CIRCUIT_OPEN = "circuit_open"  # inference has been failing and is left alone for the moment
    INFERENCE_UNAVAILABLE = "inference_unavailable"
    INFERENCE_ERROR = "inference_error"
    INFERENCE_INVALID = "inference_invalid"
    INTERNAL_ERROR = "internal_error"  # a bug of ours in asking the model; counted, logged, and survived
    NO_MODEL = "no_model"  # inference runs, but holds no model version
    # A baseline rung had nothing (more) to offer
    NOTHING_TO_OFFER = "nothing_to_offer"
    EMPTY_CATALOG = "empty_catalog"  # no eligible item exists: the only way to an empty list


# An attempt that ended so makes the answer `degraded`.
TROUBLE: frozenset[Reason] = frozenset({
    Reason.DEADLINE_EXCEEDED,
    Reason.BUDGET_TOO_SMALL,
    Reason.OVERLOADED,
    Reason.HISTORY_UNAVAILABLE,
    Reason.CIRCUIT_OPEN,
    Reason.INFERENCE_UNAVAILABLE,
    Reason.INFERENCE_ERROR,
    Reason.INFERENCE_INVALID,
    Reason.INTERNAL_ERROR,
    Reason.NO_MODEL,
})  # fmt: skip


class RecommendationRequest(BaseModel):
    """Who asks, from which page, for how many items. Everything may be left out: an unknown visitor is a valid one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    placement: PlacementName = "home"
    user_id: UserId | None = None
    session_id: SessionId | None = None
    context_items: Annotated[tuple[ItemId, ...], Field(max_length=CONTEXT_ITEMS_MAX)] = ()
    category: CategoryPath | None = None
    k: Annotated[int, Field(ge=1, le=K_MAX)] | None = None
    exclude: Annotated[tuple[ItemId, ...], Field(max_length=EXCLUDED_MAX)] = ()


class Because(BaseModel):
    """One item of the history or context that caused a recommendation, and its share (0..1) of the score."""

    model_config = ConfigDict(frozen=True)

    item_id: str
    share: Annotated[float, Field(ge=0, le=1)]


class RecommendedItem(BaseModel):
    """One place on the shelf. Scores are finite, in 0..1 and never rise along the list."""

    model_config = ConfigDict(frozen=True)

    item_id: str
    rank: Annotated[int, Field(ge=1)]
    score: Annotated[float, Field(ge=0, le=1)]
    source: Source
    reason: Reason
    because: Annotated[list[Because], Field(max_length=BECAUSE_MAX)]
    item: Item


class Attempt(BaseModel):
    """One source that was tried, what came of it, and how many items of the list it gave."""

    model_config = ConfigDict(frozen=True)

    source: Source
    outcome: Reason
    items: int
    elapsed_ms: float


class SnapshotStamp(BaseModel):
    """Which snapshot the baseline came from, and how old it is."""

    model_config = ConfigDict(frozen=True)

    version: str
    age_s: float


class Recommendation(BaseModel):
    """A complete answer. `reason` says why `source` answered; `degraded` whether any dependency was in trouble."""

    model_config = ConfigDict(frozen=True)

    recommendation_id: UUID
    placement: str
    items: list[RecommendedItem]
    source: Source
    reason: Reason
    degraded: bool
    model_version: str | None
    snapshot: SnapshotStamp
    deadline_ms: int
    elapsed_ms: float
    attempts: list[Attempt]
    drill_id: str | None = None  # set where an operator's drill played a fault for this answer
