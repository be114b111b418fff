"""A limit on every request body, held before anything parses it: pure ASGI, in front of the application."""

import asyncio
from contextlib import suppress
from typing import cast

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from evershelf.contracts.problems import ProblemType
from evershelf.gateway.auth import known
from evershelf.gateway.parts import Parts
from evershelf.gateway.problems import ProblemError, problem_response
from evershelf.gateway.settings import GatewaySettings

# Paths that carry batches; all others take small bodies only.
_BATCH_PATHS = frozenset({"/v1/events", "/v1/items/bulk", "/v1/users/bulk"})
# Of all batches that one address takes and that are in hand or on their way: what comes beyond is sent again later.
BATCHES_BYTES_MAX = 64 * 1_024 * 1_024
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
    """Reads the body up to its limit, then hands it on whole; a longer one is answered 413 and never handed on.

    Nothing is read of a caller without a key, and no batch beyond what fits: both would hold memory for as long as a
    body may take to arrive.
    """

    def __init__(self, app: ASGIApp, *, bytes_max: int, batch_bytes_max: int, seconds_max: float) -> None:
        self._app = app
        self._bytes_max = bytes_max
        self._batch_bytes_max = batch_bytes_max
        self._seconds_max = seconds_max
        self._batches_bytes = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes everything but HTTP through untouched."""
        if scope["type"] != "http" or scope["method"] in {"GET", "HEAD", "OPTIONS"}:
            await self._app(scope, receive, send)
            return
        is_batch = scope["path"] in _BATCH_PATHS
        try:
            _expect_known(scope)
            body = await self._read(receive, is_batch=is_batch)
        except ProblemError as problem:
            await _refuse(problem, scope, receive, send)
            return
        try:
            await self._app(scope, replayed(body, receive), send)
        finally:
            self._batches_bytes -= len(body) * is_batch

    async def _read(self, receive: Receive, *, is_batch: bool) -> bytes:
        """The whole body, which counts from now on where it is a batch. Raises ProblemError where it cannot be."""
        body = bytearray()
        try:
            async with asyncio.timeout(self._seconds_max):
                more = True
                while more:
                    message = await receive()
                    part, more = message.get("body", b""), message.get("more_body", False)
                    body += part
                    self._batches_bytes += len(part) * is_batch
                    self._check(len(body), is_batch=is_batch)
        except BaseException as error:
            self._batches_bytes -= len(body) * is_batch
            if isinstance(error, TimeoutError):
                detail = f"The body did not arrive within {self._seconds_max:g} s."
                raise ProblemError(ProblemType.INVALID_REQUEST, detail) from None
            raise
        return bytes(body)

    def _check(self, size_bytes: int, *, is_batch: bool) -> None:
        limit = self._batch_bytes_max if is_batch else self._bytes_max
        if size_bytes > limit:
            raise ProblemError(ProblemType.BODY_TOO_LARGE, f"A body here has at most {limit} bytes. Send less.")
        if is_batch and self._batches_bytes > BATCHES_BYTES_MAX:
            detail = f"More than {BATCHES_BYTES_MAX} bytes of batches are in hand. Nothing of this one was taken."
            raise ProblemError(ProblemType.OVERLOADED, detail)


def _expect_known(scope: Scope) -> None:
    """Raises ProblemError (missing-key, wrong-key) where a body is to come from a caller whom nobody knows."""
    headers = dict(scope["headers"])
    if b"transfer-encoding" in headers or headers.get(b"content-length", b"0") != b"0":
        parts = cast("Parts", scope["app"].state.parts)  # Starlette's state is untyped
        known(parts, headers.get(b"authorization", b"").decode("latin-1"))


async def _refuse(problem: ProblemError, scope: Scope, receive: Receive, send: Send) -> None:
    """Answers at once and closes a moment later.

    Closed at once, the connection would be reset, and with it the answer of a caller who sends first and reads then.
    Left open, a body without end would be read, and thrown away, for ever.
    """

    async def send_unfinished(message: Message) -> None:
        await send({**message, "more_body": True} if message["type"] == "http.response.body" else message)

    response = problem_response(problem)
    response.headers["Connection"] = "close"
    await response(scope, receive, send_unfinished)
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
