"""What policy says about one well-formed event."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from evershelf.contracts.events import FUTURE_TOLERANCE_S, OCCURRED_AT_MIN, Event, EventStatus, EventType
from evershelf.policy.intake import ACCEPTED, judge

NOW_S = 1_800_000_000.0


def event(occurred_at_s: float) -> Event:
    return Event(
        event_id=UUID(int=1),
        user_id="u",
        item_id="i",
        event_type=EventType.VIEW_ITEM,
        occurred_at=datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=occurred_at_s),
    )


@pytest.mark.parametrize(
    ("occurred_at_s", "status"),
    [
        (NOW_S, EventStatus.ACCEPTED),
        (NOW_S + FUTURE_TOLERANCE_S, EventStatus.ACCEPTED),
        (NOW_S + FUTURE_TOLERANCE_S + 1, EventStatus.REJECTED_FUTURE),
        (OCCURRED_AT_MIN.timestamp(), EventStatus.ACCEPTED),
        (OCCURRED_AT_MIN.timestamp() - 1, EventStatus.REJECTED_INVALID),
        (-62_135_596_800, EventStatus.REJECTED_INVALID),
    ],
)
def test_time_decides_at_its_bounds(occurred_at_s, status):
    # A time is believed from 1990 until FUTURE_TOLERANCE_S ahead of our clock, both bounds included.
    judgement = judge(event(occurred_at_s), now_s=NOW_S, item_known=True)
    assert judgement.status is status
    assert (judgement.detail is None) == (judgement.status in ACCEPTED) == (status is EventStatus.ACCEPTED)


def test_unknown_item_is_accepted_and_said():
    # The item may be imported later, so the event is kept; the sender hears about it all the same.
    judgement = judge(event(NOW_S), now_s=NOW_S, item_known=False)
    assert judgement.status is EventStatus.ACCEPTED_UNKNOWN_ITEM
    assert judgement.status in ACCEPTED
    assert "catalog" in judgement.detail
