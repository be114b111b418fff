"""Takes rank requests straight from the server, before any framework: bounds them, ranks inside their budget, answers.

Ranking runs on the event loop: a query costs about 0.1 ms, less than handing it to a thread would. A request of many
long histories lets the others in between two queries once it has held the loop for `inference_slice_ms`.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
from pydantic import ValidationError
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from evershelf.contracts.inference import RankRequest
from evershelf.contracts.problems import ProblemType
from evershelf.inference.artifact_loader import LoadedModel
from evershelf.inference.problems import PROBLEM_MEDIA_TYPE, REFUSALS, RankRefused, problem_bytes
from evershelf.inference.ranking import NO_RANKING, rank, reply
from evershelf.inference.settings import InferenceSettings
from evershelf.inference.telemetry import Outcome, Telemetry
from evershelf.policy.trace_context import TRACEPARENT

if TYPE_CHECKING:
    from evershelf.tracing.tracer import Tracer

RANK_PATH = "/v1/rank"
SPAN = "rank"
DEADLINE_HEADER = b"x-request-deadline-ms"
MODEL_HEADER = b"x-evershelf-model"
# For each query of a request what is left of its own budget, in whole milliseconds, separated by commas.
BUDGETS_HEADER = b"x-query-budgets-ms"
# `none`: the caller has no time for the reasons.
EVIDENCE_HEADER = b"x-evidence"
DETAILS_MAX = 3


class CallerGone(Exception):  # noqa: N818 - a fact, not an error of ours
    """The caller hung up before the whole request had come."""


class RankDesk:
    """An ASGI application that answers POST /v1/rank itself and hands everything else to `app`."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        settings: InferenceSettings,
        telemetry: Telemetry,
        find_model: Callable[[str | None], LoadedModel | None],
        tracer: "Tracer | None" = None,
    ) -> None:
        self._app = app
        self._settings = settings
        self._telemetry = telemetry
        self._find_model = find_model
        self._tracer = tracer
        self._in_hand = 0
        self._log = structlog.get_logger(__name__)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI entry."""
        if scope["type"] != "http" or scope["path"] != RANK_PATH or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        began_s = time.monotonic()
        self._in_hand += 1
        self._telemetry.in_flight.set(self._in_hand)
        headers = dict(scope["headers"])
        trace = None if self._tracer is None else self._tracer.begin(SPAN, _text(headers, TRACEPARENT), began_s=began_s)
        outcome = Outcome.ERROR
        try:
            outcome = await self._respond(headers, receive, send)
        finally:
            self._in_hand -= 1
            self._telemetry.in_flight.set(self._in_hand)
            self._telemetry.duration.observe(time.monotonic() - began_s)
            if trace is not None:
                trace.end(time.monotonic(), {"evershelf.outcome": outcome.value})

    async def _respond(self, headers: dict[bytes, bytes], receive: Receive, send: Send) -> Outcome:
        try:
            body = await self._answer(headers, receive)
        except RankRefused as refusal:
            return await self._refuse(send, refusal.problem_type, refusal.detail)
        except CallerGone:
            self._telemetry.count(Outcome.CALLER_GONE)
            return Outcome.CALLER_GONE
        except Exception as error:  # noqa: BLE001 - the app boundary: a bug is counted and costs one answer only
            self._log.error("rank_failed", error=type(error).__name__, exc_info=True)
            return await self._refuse(send, ProblemType.INTERNAL_ERROR, type(error).__name__)
        else:
            self._telemetry.count(Outcome.RANKED)
            await _send(send, 200, b"application/json", body)
            return Outcome.RANKED

    async def _answer(self, headers: dict[bytes, bytes], receive: Receive) -> bytes:
        began_s = time.monotonic()
        deadline_s = began_s + self._budget_s(headers)
        # The cheap refusals come first: an overloaded server must not parse what it will not answer.
        if self._in_hand > self._settings.inference_concurrency_max:
            raise RankRefused(ProblemType.OVERLOADED, f"{self._settings.inference_concurrency_max} are in hand")
        model = self._find_model(_wanted(headers))
        if model is None:
            raise RankRefused(ProblemType.NOT_READY, "no version was loaded yet")
        _check_budget(deadline_s)
        request = _parse(await self._body(headers, receive, deadline_s))
        deadlines_s = _deadlines_s(headers, began_s, request, deadline_s)
        work = _Work(model, request, deadlines_s, evidence=headers.get(EVIDENCE_HEADER) != b"none")
        rankings = await self._rank_all(work, receive)
        return reply(model, rankings)

    def _budget_s(self, headers: dict[bytes, bytes]) -> float:
        text = headers.get(DEADLINE_HEADER)
        if text is None:
            return self._settings.inference_deadline_ms / 1_000
        try:
            budget_ms = int(text[:12])
        except ValueError:
            raise RankRefused(ProblemType.INVALID_REQUEST, "X-Request-Deadline-Ms is not a whole number") from None
        return min(budget_ms, self._settings.inference_deadline_ms) / 1_000

    async def _body(self, headers: dict[bytes, bytes], receive: Receive, deadline_s: float) -> bytes:
        size_bytes_max = self._settings.inference_body_bytes_max
        if b"content-encoding" in headers:  # a small body may inflate to a huge one
            raise RankRefused(ProblemType.INVALID_REQUEST, "compressed bodies are not taken")
        announced = headers.get(b"content-length", b"")
        if len(announced) > 12 or (announced.isdigit() and int(announced) > size_bytes_max):
            raise RankRefused(ProblemType.BODY_TOO_LARGE, f"{size_bytes_max} bytes are allowed")
        try:
            async with asyncio.timeout(deadline_s - time.monotonic()):
                return await _read(receive, size_bytes_max)
        except TimeoutError:
            raise RankRefused(ProblemType.DEADLINE_EXCEEDED, "the body did not come in time") from None

    async def _rank_all(self, work: "_Work", receive: Receive) -> list[bytes]:
        """A ranking for each query; an empty one where its asker no longer waits. Stops when the caller hangs up."""
        rankings: list[bytes] = []
        slice_s = self._settings.inference_slice_ms / 1_000
        give_way_at_s = time.monotonic() + slice_s
        hang_up: asyncio.Task[Message] | None = None
        try:
            for query, deadline_s in zip(work.request.queries, work.deadlines_s, strict=True):
                if time.monotonic() > give_way_at_s:
                    hang_up = hang_up or asyncio.ensure_future(_next(receive))
                    await asyncio.sleep(0)
                    if hang_up.done():  # after a whole body nothing else can come
                        raise CallerGone
                    give_way_at_s = time.monotonic() + slice_s
                in_time = time.monotonic() < deadline_s
                rankings.append(rank(work.model, query, evidence=work.evidence) if in_time else NO_RANKING)
                (self._telemetry.queries if in_time else self._telemetry.dropped).inc()
        finally:
            if hang_up is not None:
                hang_up.cancel()
        _check_budget(max(work.deadlines_s))
        return rankings

    async def _refuse(self, send: Send, problem_type: ProblemType, detail: str) -> Outcome:
        refused = REFUSALS[problem_type]
        self._telemetry.count(refused.outcome)
        body = problem_bytes(problem_type, status=refused.status, title=refused.title, detail=detail)
        await _send(send, refused.status, PROBLEM_MEDIA_TYPE.encode(), body)
        return refused.outcome


@dataclass(frozen=True, slots=True)
class _Work:
    """What one request asks for: each query by its own deadline (monotonic seconds)."""

    model: LoadedModel
    request: RankRequest
    deadlines_s: Sequence[float]
    evidence: bool


def _deadlines_s(headers: dict[bytes, bytes], began_s: float, request: RankRequest, deadline_s: float) -> list[float]:
    """Each query's own deadline, where the caller names them; none is later than the whole request's."""
    text, size = headers.get(BUDGETS_HEADER), len(request.queries)
    if text is None:
        return [deadline_s] * size
    try:
        budgets_ms = [int(each[:12]) for each in text.split(b",", size)]
    except ValueError:
        raise RankRefused(ProblemType.INVALID_REQUEST, "X-Query-Budgets-Ms is no list of whole numbers") from None
    if len(budgets_ms) != size:
        raise RankRefused(ProblemType.INVALID_REQUEST, "X-Query-Budgets-Ms needs one number a query")
    return [min(began_s + budget_ms / 1_000, deadline_s) for budget_ms in budgets_ms]


async def _next(receive: Receive) -> Message:
    return await receive()


def _check_budget(deadline_s: float) -> None:
    if time.monotonic() >= deadline_s:
        raise RankRefused(ProblemType.DEADLINE_EXCEEDED, "the caller no longer waits")


def _text(headers: dict[bytes, bytes], name: str) -> str | None:
    value = headers.get(name.encode())
    return None if value is None else value.decode("latin-1")


def _wanted(headers: dict[bytes, bytes]) -> str | None:
    """The alias or version that the caller asks for. A header, so that an older server answers with its champion."""
    name = headers.get(MODEL_HEADER)
    return None if name is None else name[:64].decode("latin-1")


async def _read(receive: Receive, size_bytes_max: int) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise CallerGone
        body += message.get("body", b"")
        if len(body) > size_bytes_max:
            raise RankRefused(ProblemType.BODY_TOO_LARGE, f"{size_bytes_max} bytes are allowed")
        if not message.get("more_body", False):
            return bytes(body)


def _parse(body: bytes) -> RankRequest:
    try:
        return RankRequest.model_validate_json(body)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False, include_context=False)
        if faults[0]["type"] == "json_invalid":
            raise RankRefused(ProblemType.MALFORMED_JSON, faults[0]["msg"]) from error
        detail = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in faults[:DETAILS_MAX])
        raise RankRefused(ProblemType.INVALID_REQUEST, detail) from error


async def _send(send: Send, status: int, media_type: bytes, body: bytes) -> None:
    headers = [(b"content-type", media_type), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
