"""POST /v1/events: takes reports, and says "accepted" only of what is on disk."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import orjson
from fastapi import APIRouter, Depends, Request, Response
from pydantic import JsonValue, TypeAdapter, ValidationError

from evershelf.contracts.events import BATCH_MAX, Event, EventBatch, EventBatchResult, EventResult, EventStatus
from evershelf.contracts.identifiers import ID_LENGTH_MAX
from evershelf.contracts.keys import Scope
from evershelf.contracts.problems import InvalidParameter, Problem, ProblemType
from evershelf.gateway.auth import require
from evershelf.gateway.parts import Parts, parts_of
from evershelf.gateway.problems import ProblemError, read_body
from evershelf.gateway.spool import SpoolError
from evershelf.policy.intake import ACCEPTED, judge

RETRY_AFTER_S = 5
# So many events are looked at before other requests get their turn on the event loop: about half a millisecond.
EVENTS_A_TURN = 50
COMPLAINTS_MAX = 3

_EVENT = TypeAdapter(Event)
_ANSWERS: dict[int | str, dict[str, Any]] = {  # Any: FastAPI's own type for free-form OpenAPI
    202: {"model": EventBatchResult, "description": "Each event judged by itself; what is accepted is on disk."},
    400: {"model": Problem, "description": "The body is not JSON."},
    413: {"model": Problem, "description": "The body is larger than a batch may be."},
    422: {"model": Problem, "description": f"The body is no batch of 1 to {BATCH_MAX} events."},
    503: {
        "model": Problem,
        "description": "Nothing of this batch was acknowledged. Send all of it again: event ids make that harmless.",
        "headers": {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}}},
    },
}


@dataclass(frozen=True, slots=True)
class _Candidate:
    """An event that goes to the spool, and its place in the batch."""

    index: int
    event: Event
    status: EventStatus
    detail: str | None


_Judged: TypeAlias = "_Candidate | EventResult"


def _body_schema() -> dict[str, Any]:  # Any: FastAPI's own type for free-form OpenAPI
    event = Event.model_json_schema()
    event["properties"]["event_type"] = event.pop("$defs")["EventType"]
    events = {"type": "array", "minItems": 1, "maxItems": BATCH_MAX, "items": event}
    body = {"type": "object", "required": ["events"], "additionalProperties": False, "properties": {"events": events}}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": body}}}}


router = APIRouter(tags=["events"], dependencies=[Depends(require(Scope.EVENTS))])


@router.post("/v1/events", status_code=202, responses=_ANSWERS, response_class=Response, openapi_extra=_body_schema())
async def post_events(request: Request) -> Response:
    """Report what happened: 1 to 1,000 events, each judged by itself, answered in their order.

    `accepted` counts what is new and on disk. A `duplicate` was accepted before and counts neither way; whatever else
    is in `rejected`, and its `detail` says what to mend.
    """
    parts = parts_of(request)
    answer = await taken(parts, await read_body(request, parts.settings.gateway_batch_body_bytes_max))
    return Response(answer, status_code=202, media_type="application/json")


async def taken(parts: Parts, body: bytes) -> bytes:
    """What became of each event of the batch, as JSON. Raises malformed-json, invalid-request, events-not-durable."""
    judged = await _judge(parts, _parse_batch(body))
    results = await _accept(parts, judged)
    told = Counter(result.status for result in results)
    for status, count in told.items():
        parts.telemetry.events_judged(status, count)
    parts.series.reported(
        [(each.event, results[each.index].status) for each in judged if isinstance(each, _Candidate)], results
    )
    accepted = sum(told[status] for status in ACCEPTED)
    rejected = len(results) - accepted - told[EventStatus.DUPLICATE]
    answer = EventBatchResult(accepted=accepted, rejected=rejected, results=results)
    return answer.model_dump_json().encode()


def _parse_batch(body: bytes) -> list[JsonValue]:
    # orjson refuses what the standard parser lets through and no store can keep: NaN and halves of surrogate pairs.
    try:
        return EventBatch.model_validate(orjson.loads(body)).events
    except orjson.JSONDecodeError as error:
        raise ProblemError(ProblemType.MALFORMED_JSON, f"The body is not JSON: {error}.") from error
    except ValidationError as error:
        raise ProblemError(
            ProblemType.INVALID_REQUEST,
            f'The body must be {{"events": [...]}} with 1 to {BATCH_MAX} events.',
            invalid_parameters=[InvalidParameter(name=_path(each["loc"]), detail=each["msg"])
                                for each in error.errors(include_url=False, include_input=False)[:COMPLAINTS_MAX]],
        ) from error  # fmt: skip


async def _judge(parts: Parts, batch: Sequence[JsonValue]) -> list[_Judged]:
    now_s = parts.outside.clock.unix_s()
    judged: list[_Judged] = []
    for index, raw in enumerate(batch):
        if index and index % EVENTS_A_TURN == 0:
            await asyncio.sleep(0)
        judged.append(_judge_one(parts, index, raw, now_s))
    return judged


def _judge_one(parts: Parts, index: int, raw: JsonValue, now_s: float) -> _Judged:
    try:
        event = _EVENT.validate_python(raw)
    except ValidationError as error:
        return EventResult(
            index=index, event_id=_claimed_id(raw), status=EventStatus.REJECTED_INVALID, detail=_complaints(error)
        )
    judgement = judge(event, now_s=now_s, item_known=parts.snapshots.current.knows(event.item_id))
    if judgement.status in ACCEPTED:
        return _Candidate(index, event, judgement.status, judgement.detail)
    return EventResult(index=index, event_id=str(event.event_id), status=judgement.status, detail=judgement.detail)


async def _accept(parts: Parts, judged: Sequence[_Judged]) -> list[EventResult]:
    candidates = [each for each in judged if isinstance(each, _Candidate)]
    statuses = await _append(parts, [each.event for each in candidates]) if candidates else []
    results = [each for each in judged if isinstance(each, EventResult)]
    for candidate, status in zip(candidates, statuses, strict=True):
        results.append(_result(candidate, status))
        if status is EventStatus.ACCEPTED and not parts.erasures.forbids_event(candidate.event):
            parts.history.remember(candidate.event)
    return sorted(results, key=lambda result: result.index)


async def _append(parts: Parts, events: Sequence[Event]) -> list[EventStatus]:
    try:
        return await parts.spool.append(events)
    except SpoolError as error:
        parts.telemetry.operation.events_refused(len(events))
        raise ProblemError(
            ProblemType.EVENTS_NOT_DURABLE,
            f"Nothing of this batch was acknowledged: {error}. Send all of it again in {RETRY_AFTER_S} s.",
            headers={"Retry-After": str(RETRY_AFTER_S)},
        ) from error


def _result(candidate: _Candidate, status: EventStatus) -> EventResult:
    detail = None
    if status is EventStatus.ACCEPTED:
        status, detail = candidate.status, candidate.detail
    elif status is EventStatus.CONFLICT:
        detail = "another event with this event_id was accepted before and stands: use a new id for a new event"
    return EventResult(index=candidate.index, event_id=str(candidate.event.event_id), status=status, detail=detail)


def _claimed_id(raw: JsonValue) -> str | None:
    claimed = raw.get("event_id") if isinstance(raw, dict) else None
    return claimed[:ID_LENGTH_MAX] if isinstance(claimed, str) else None


def _complaints(error: ValidationError) -> str:
    complaints = error.errors(include_url=False, include_input=False)[:COMPLAINTS_MAX]
    return "; ".join(f"{_path(each['loc'])}: {each['msg']}" for each in complaints)


def _path(location: tuple[int | str, ...]) -> str:
    # A name from the body may be of any length; what is quoted back is not.
    return ".".join(map(str, location))[:ID_LENGTH_MAX] or "body"
