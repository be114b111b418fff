"""Events: what is reported about a user and an item, and the answer to each report."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Self
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue, model_validator

from evershelf.contracts.identifiers import ItemId, PlacementName, SessionId, UserId

BATCH_MAX = 1_000
# An event may be this much ahead of our clock (skew of callers' clocks) and no more.
FUTURE_TOLERANCE_S = 300
# What claims to be older comes from a clock that was never set.
OCCURRED_AT_MIN = datetime(1990, 1, 1, tzinfo=UTC)


class EventType(StrEnum):
    """Kinds of events, named after GA4 ecommerce where that has a name."""

    VIEW_ITEM_LIST = "view_item_list"  # impression: the item was shown
    SELECT_ITEM = "select_item"  # the item was clicked in a list
    VIEW_ITEM = "view_item"
    ADD_TO_WISHLIST = "add_to_wishlist"
    ADD_TO_CART = "add_to_cart"
    REMOVE_FROM_CART = "remove_from_cart"
    PURCHASE = "purchase"
    RATE = "rate"  # `value` is the rating
    CONSUME = "consume"  # read, watched, listened to, borrowed


# Events that say something about interest. The rest (an impression, a removal) are kept but are no history.
INTERACTIONS: frozenset[EventType] = frozenset(EventType) - {EventType.VIEW_ITEM_LIST, EventType.REMOVE_FROM_CART}


class Event(BaseModel):
    """One immutable report. `event_id` is made by the client (UUIDv7 suggested) and makes sending twice harmless."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    event_id: UUID
    user_id: UserId | None = None
    session_id: SessionId | None = None
    item_id: ItemId
    event_type: EventType
    occurred_at: AwareDatetime
    value: Annotated[float, Field(allow_inf_nan=False)] | None = None
    placement: PlacementName | None = None
    recommendation_id: UUID | None = None

    @model_validator(mode="after")
    def _somebody(self) -> Self:
        if self.user_id is None and self.session_id is None:
            raise ValueError("an event needs a user_id or a session_id")
        return self


class EventBatch(BaseModel):
    """A batch as sent. Each event is validated by itself: a bad one never takes its neighbours with it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    events: Annotated[list[JsonValue], Field(min_length=1, max_length=BATCH_MAX)]


class EventStatus(StrEnum):
    """What became of one event of a batch."""

    ACCEPTED = "accepted"
    ACCEPTED_UNKNOWN_ITEM = "accepted_unknown_item"  # stored all the same: its item may be imported later
    DUPLICATE = "duplicate"  # same id, same body: already accepted, counts once
    CONFLICT = "conflict"  # same id, other body: the first one stands
    REJECTED_FUTURE = "rejected_future"
    REJECTED_INVALID = "rejected_invalid"


class EventResult(BaseModel):
    """The answer to one event, in the order of the batch; `detail` says what to mend."""

    model_config = ConfigDict(frozen=True)

    index: int
    event_id: str | None
    status: EventStatus
    detail: str | None = None


class EventBatchResult(BaseModel):
    """The answer to a batch: sent only after everything accepted is on disk."""

    model_config = ConfigDict(frozen=True)

    accepted: int
    rejected: int
    results: list[EventResult]
