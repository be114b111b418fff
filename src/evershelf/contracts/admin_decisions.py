"""Explaining an answer: the decision with all that went into it, and the same question asked again."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from evershelf.contracts.catalog import Item
from evershelf.contracts.events import EventType
from evershelf.contracts.identifiers import PlacementName, SessionId, UserId
from evershelf.contracts.placements import Placement
from evershelf.contracts.recommendations import Attempt, Because, Reason, RecommendationRequest, Source

PAGE_MAX = 200


class _Told(BaseModel):
    model_config = ConfigDict(frozen=True, protected_namespaces=())


class Origin(StrEnum):
    """Where an answer of the console was read."""

    MEMORY = "memory"
    DATABASE = "database"
    BOTH = "both"


class Purpose(StrEnum):
    """Why an answer was made."""

    ANSWER = "answer"  # a caller asked
    REPLAY = "replay"  # an operator asked the same again; nobody was shown it


class DecisionQuery(BaseModel):
    """Which decisions are wanted: all of what is set, decided in [since, before)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    user_id: UserId | None = None
    session_id: SessionId | None = None
    placement: PlacementName | None = None
    source: Source | None = None
    reason: Reason | None = None
    degraded: bool | None = None
    since: AwareDatetime | None = None  # None: seven days before `before`
    before: AwareDatetime | None = None  # None: now
    limit: Annotated[int, Field(ge=1, le=PAGE_MAX)] = 50


class DecisionRow(_Told):
    """One decision in a list."""

    recommendation_id: UUID
    decided_at: datetime
    placement: str
    user_id: str | None
    session_id: str | None
    source: Source
    reason: Reason
    degraded: bool
    model_version: str | None
    snapshot_version: str
    items: int
    elapsed_ms: float | None
    deadline_ms: int | None
    purpose: Purpose
    drill_id: str | None


class DecisionPage(_Told):
    """Newest first. `next_before` continues (None: nothing older is known); `note` says what could not be searched."""

    decisions: list[DecisionRow]
    next_before: datetime | None
    origin: Origin
    note: str | None


class FilterReason(StrEnum):
    """Why an item under consideration is not on the list."""

    EXCLUDED = "excluded"  # the caller excluded it
    ON_THE_PAGE = "on_the_page"  # it is among the context items
    SEEN = "seen"  # in the user's history, and the placement hides such items
    UNKNOWN = "unknown"  # not in the catalog
    SUPPRESSED = "suppressed"
    UNAVAILABLE = "unavailable"
    EXPIRED = "expired"
    OTHER_CATEGORY = "other_category"


class HistoryItem(_Told):
    """One interaction of the history as it was known when the answer was made."""

    item_id: str
    event_type: EventType
    age_s: float
    title: str | None = None


class CandidateTold(_Told):
    """An item that the model offered: its score, its place on the list (None: not on it), and why not."""

    item_id: str
    score: float
    rank: int | None
    filtered: FilterReason | None  # None and no rank: eligible, but the list was full
    title: str | None = None


class Filtered(_Told):
    """An item that was kept out before any source was asked."""

    item_id: str
    reason: FilterReason
    title: str | None = None


class ShownItem(_Told):
    """One place of the list as it was answered; `item` is as the catalog has it now (None: no longer there)."""

    item_id: str
    rank: int
    score: float
    source: Source
    reason: Reason
    because: list[Because]
    eligible_now: bool
    item: Item | None


class Explanation(_Told):
    """All that is known of one answer.

    `complete` is False for decisions written by an older version, or where a list was longer than what is kept;
    `note` says what is missing.
    """

    decision: DecisionRow
    origin: Origin
    request: RecommendationRequest | None
    definition: Placement | None  # the placement as it was
    attempts: list[Attempt]
    history: list[HistoryItem]
    history_known: int
    candidates: list[CandidateTold]
    candidates_known: int
    hidden: list[Filtered]
    hidden_known: int
    items: list[ShownItem]
    snapshot_age_s: float | None
    history_ms: float | None
    inference_ms: float | None
    complete: bool
    note: str | None


class Moved(_Told):
    """One item in two lists: its place before and now (None: not in that list)."""

    item_id: str
    before: int | None
    now: int | None


class Replay(_Told):
    """The same question asked now; recorded as a replay under its own id, counted nowhere as an answer."""

    before: Explanation
    now: Explanation
    moves: list[Moved]
    same_items: Annotated[float, Field(ge=0, le=1)]  # share of the earlier list that is in the new one
    note: str | None
