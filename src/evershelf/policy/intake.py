"""Judges one well-formed event: is its time believable, and is its item one that we know?"""

from dataclasses import dataclass

from evershelf.contracts.events import FUTURE_TOLERANCE_S, OCCURRED_AT_MIN, Event, EventStatus


@dataclass(frozen=True, slots=True)
class Judgement:
    """What shall become of one event; `detail` says what to mend, and is None where nothing is wrong."""

    status: EventStatus
    detail: str | None = None


ACCEPTED = frozenset({EventStatus.ACCEPTED, EventStatus.ACCEPTED_UNKNOWN_ITEM})
_AS_IT_IS = Judgement(EventStatus.ACCEPTED)
_UNKNOWN_ITEM = Judgement(EventStatus.ACCEPTED_UNKNOWN_ITEM, "item_id is not in the catalog; the event is kept")


def judge(event: Event, *, now_s: float, item_known: bool) -> Judgement:
    """ACCEPTED, ACCEPTED_UNKNOWN_ITEM, REJECTED_FUTURE or REJECTED_INVALID; `now_s` is Unix time in seconds.

    An event may lie FUTURE_TOLERANCE_S ahead, because callers' clocks differ. One from before OCCURRED_AT_MIN is
    refused here, while its sender can still be told: storage, where each month costs a partition, would bury it.
    """
    occurred_at_s = event.occurred_at.timestamp()
    if occurred_at_s > now_s + FUTURE_TOLERANCE_S:
        detail = f"occurred_at lies more than {FUTURE_TOLERANCE_S} s in the future: check the sender's clock"
        return Judgement(EventStatus.REJECTED_FUTURE, detail)
    if event.occurred_at < OCCURRED_AT_MIN:
        return Judgement(EventStatus.REJECTED_INVALID, "occurred_at lies before 1990: check the sender's clock")
    return _AS_IT_IS if item_known else _UNKNOWN_ITEM
