"""A limit on every request body, held before anything parses it: pure ASGI, in front of the application."""

import asyncio
from contextlib import suppress

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from evershelf.contracts.problems import ProblemType
from evershelf.gateway.problems import ProblemError, problem_response
from evershelf.gateway.settings import GatewaySettings

# Paths that carry batches; all others take small bodies only.
_BATCH_PATHS = frozenset({"/v1/events", "/v1/items/bulk", "/v1/users/bulk"})
# After a refusal so much is still read and thrown away, and so long, before the connection is closed.
DRAINED_BYTES_MAX = 16 * 1_024 * 1_024
DRAIN_S_MAX = 2.0


def limited(app: ASGIApp, settings: GatewaySettings) -> "BodyLimit":
    """The application behind the limits of the settings."""
    return BodyLimit(
        app,
        bytes_max=settings.gateway_body_bytes_max,
        batch_bytes_max=settings.gateway_batch_body_bytes_max,
        seconds_max=settings.gateway_body_s_max,
    )


class BodyLimit:
    """Reads the body up to its limit, then hands it on whole; a longer one is answered 413 and never handed on."""

    def __init__(self, app: ASGIApp, *, bytes_max: int, batch_bytes_max: int, seconds_max: float) -> None:
        self._app = app
        self._bytes_max = bytes_max
        self._batch_bytes_max = batch_bytes_max
        self._seconds_max = seconds_max

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes everything but HTTP through untouched."""
        if scope["type"] != "http" or scope["method"] in {"GET", "HEAD", "OPTIONS"}:
            await self._app(scope, receive, send)
            return
        limit = self._batch_bytes_max if scope["path"] in _BATCH_PATHS else self._bytes_max
        try:
            async with asyncio.timeout(self._seconds_max):
                body = await _read(receive, limit)
        except TimeoutError:
            await _refuse(_problem(f"The body did not arrive within {self._seconds_max:g} s."), scope, receive, send)
            return
        if body is None:
            detail = f"A body here has at most {limit} bytes. Send less."
            await _refuse(_problem(detail, ProblemType.BODY_TOO_LARGE), scope, receive, send)
            return
        await self._app(scope, replayed(body, receive), send)


def _problem(detail: str, problem_type: ProblemType = ProblemType.INVALID_REQUEST) -> ProblemError:
    return ProblemError(problem_type, detail, headers={"Connection": "close"})


async def _refuse(problem: ProblemError, scope: Scope, receive: Receive, send: Send) -> None:
    """Answers at once and closes a moment later.

    Closed at once, the connection would be reset, and with it the answer of a caller who sends first and reads then.
    Left open, a body without end would be read, and thrown away, for ever.
    """

    async def send_unfinished(message: Message) -> None:
        await send({**message, "more_body": True} if message["type"] == "http.response.body" else message)

    await problem_response(problem)(scope, receive, send_unfinished)
    with suppress(TimeoutError):
        async with asyncio.timeout(DRAIN_S_MAX):
            await _drain(receive)
    await send({"type": "http.response.body", "body": b""})


async def _drain(receive: Receive) -> None:
    drained, more = 0, True
    while more and drained < DRAINED_BYTES_MAX:
        message = await receive()
        drained += len(message.get("body", b""))
        more = message.get("more_body", False)


async def _read(receive: Receive, limit: int) -> bytes | None:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return bytes(body)
        body += message.get("body", b"")
        if len(body) > limit:
            return None
        if not message.get("more_body", False):
            return bytes(body)


def replayed(body: bytes, receive: Receive) -> Receive:
    """Gives the body once and whole, then what comes after it."""
    handed = False

    async def give() -> Message:
        nonlocal handed
        if handed:
            return await receive()
        handed = True
        return {"type": "http.request", "body": body, "more_body": False}

    return give
