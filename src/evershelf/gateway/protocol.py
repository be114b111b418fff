"""Uvicorn's protocol under our rules: a quick lane for plain questions, bounded heads, an end that loses nothing."""

import asyncio
import socket
from collections.abc import Coroutine
from typing import Any, ClassVar, cast

from fastapi import FastAPI
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from evershelf.contracts.problems import ProblemType
from evershelf.gateway import quick_lane
from evershelf.gateway.parts import Parts
from evershelf.gateway.problems import INTERNAL_ERROR, ProblemError, problem_response, security_headers
from evershelf.gateway.question import ASK_PATH, Head, read_head

# A connection that is idle when the gateway stops is kept so much longer: a question may be on its way.
PARTING_S = 1.0
_ASKED = ASK_PATH.encode()
_LINE_BEGINS, _LINE_ENDS = b"GET %b?" % _ASKED, b" HTTP/1.1"
_HEAD_ENDS = b"\r\n\r\n"


class _QuickCycle:
    """A question that is being answered here, in the place of one of uvicorn's cycles: what uvicorn asks of those."""

    __slots__ = ("answering", "body", "disconnected", "keep_alive", "more_body", "response_complete")
    message_event: ClassVar = asyncio.Event()  # for nobody

    def __init__(self) -> None:
        self.answering: asyncio.Task[None] | None = None  # once it has begun: before, what it has in hand would stay
        self.body = bytearray()
        self.more_body = self.keep_alive = True
        self.disconnected = self.response_complete = False


class GatewayProtocol(HttpToolsProtocol):
    """One connection. What is not said here is as in uvicorn."""

    app: FastAPI  # what server_config gives to uvicorn
    cycle: RequestResponseCycle | _QuickCycle | None  # type: ignore[assignment]  # none before the first request
    _parts: Parts
    _answered = False  # here and at once
    _in_message = False
    # Of the last question that was answered here: what followed its first line, and what that says.
    _head_bytes: bytes | None = None
    _head: Head | None = None
    _is_new_head = False
    _parting = False
    _read_bytes = 0  # since the last request was complete
    _head_due_s = 0.0
    _used_s = 0.0  # by a question that was answered again and at once
    _unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: object) -> None:
        """A head has to arrive in its time."""
        self._parts = cast("Parts", self.app.state.parts)  # Starlette's state is untyped
        super().connection_made(transport)  # type: ignore[arg-type]  # asyncio promises a Transport here
        if (connected := self.transport.get_extra_info("socket")) is not None:
            # The kernel gives up what it could not deliver, also to a caller who says for ever that there is no room.
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(self._unread_s_max * 1_000))
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Whoever has left waits for nothing: what was begun for the caller ends."""
        super().connection_lost(exc)
        self._stop_unread()
        if isinstance(self.cycle, _QuickCycle) and self.cycle.disconnected and self.cycle.answering is not None:
            self.cycle.answering.cancel()

    def pause_writing(self) -> None:
        """The caller reads too little: it has so long to begin."""
        super().pause_writing()
        self._unread = self.loop.call_later(self._unread_s_max, self.transport.abort)

    def resume_writing(self) -> None:
        """The caller reads again."""
        super().resume_writing()
        self._stop_unread()

    def data_received(self, data: bytes) -> None:
        """Reads on; a head that trickles in gains no time by it."""
        self._read_bytes += len(data)
        fresh = not self._in_message
        if fresh and self._is_answered_again(data):
            return
        self._is_new_head = False
        super().data_received(data)
        if fresh and self._is_new_head:
            self._head_bytes = _head_of(data)
        if self._idle and self.timeout_keep_alive_task is None and not self.transport.is_closing():
            if self._read_bytes > self._parts.settings.gateway_head_bytes_max:
                self._refuse()
            else:
                left_s = max(0.0, self._head_due_s - self.loop.time())
                self.timeout_keep_alive_task = self.loop.call_later(left_s, self.timeout_keep_alive_handler)

    def _is_answered_again(self, data: bytes) -> bool:
        """Whether this is one whole question, with the very head of the last one, and is answered here.

        The same bytes mean the same: they need no parser, which costs a fifth of a shed answer.
        """
        known = self._head
        if known is None or not data.startswith(_LINE_BEGINS) or not self._is_free or self.transport.is_closing():
            return False
        line, _, head = data.partition(b"\r\n")
        if (
            head != self._head_bytes
            or not line.endswith(_LINE_ENDS)
            or len(data) > self._parts.settings.gateway_head_bytes_max
        ):
            return False
        self._answered = False
        if not self._answer(line[len(_LINE_BEGINS) : -len(_LINE_ENDS)], known):
            return False
        self._read_bytes = 0
        if self._answered:
            self.server_state.total_requests += 1
            self._used_s = self.loop.time()
            self._pause(self._parts.admission.pause_s(known.headers))
        else:
            self._unset_keepalive_if_required()
        return True

    def timeout_keep_alive_handler(self) -> None:
        """Closes an idle connection; one that was used since the time began to run is given the rest of it."""
        left_s = self._used_s + self.timeout_keep_alive - self.loop.time()
        if left_s > 0 and self._idle and not self._in_message and not self.transport.is_closing():
            self.timeout_keep_alive_task = self.loop.call_later(left_s, self.timeout_keep_alive_handler)
        else:
            super().timeout_keep_alive_handler()
            self.loop.call_later(self._unread_s_max, self.transport.abort)  # closing waits until all was read

    def _stop_unread(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def _pause(self, seconds: float) -> None:
        """Reads nothing for so long: what comes waits at the caller's, and costs nothing here."""
        if seconds > 0:
            self.flow.pause_reading()
            self.loop.call_later(seconds, self._read_on)

    def _read_on(self) -> None:
        if not self.transport.is_closing():
            self.flow.resume_reading()

    def on_message_begin(self) -> None:
        """A new head begins."""
        super().on_message_begin()
        self._answered, self._in_message = False, True
        self._head_due_s = self.loop.time() + self._parts.settings.gateway_head_s_max

    def on_headers_complete(self) -> None:
        """Answers here, or leaves it to uvicorn."""
        if self._is_too_large():
            self._refuse()
            return
        path, _, query = self.url.partition(b"?")
        if path == _ASKED and self._is_plain():
            head = read_head(self.headers)
            if head is not None and self._answer(query, head):
                self._head_bytes, self._head, self._is_new_head = None, head, True
                return
        super().on_headers_complete()
        if self._parting and self.cycle is not None:
            self.cycle.keep_alive = False

    def _answer(self, query: bytes, head: Head) -> bool:
        """Whether the question is answered here, now or soon."""
        try:
            answer = quick_lane.answer(self._parts, query, head)
        except Exception as error:  # noqa: BLE001 - the source boundary: what fails here is answered the long way
            self._parts.telemetry.caught("quick_lane", error)
            return False
        if answer is None:
            return False
        if isinstance(answer, bytes):
            self._answered = True
            self.transport.write(answer)
            return True
        self.cycle = _QuickCycle()
        task = self.loop.create_task(self._send(answer, self.cycle))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return True

    async def _send(self, answer: Coroutine[Any, Any, bytes], cycle: _QuickCycle) -> None:
        """Waits for the answer, and sends it in place of `cycle`."""
        cycle.answering = asyncio.current_task()
        try:
            wire = await answer
        except Exception as error:  # noqa: BLE001 - the application's boundary: counted and logged there, told here
            self._parts.telemetry.caught("request", error)
            wire = _wire(INTERNAL_ERROR)
        cycle.response_complete = True
        if cycle.disconnected:
            return
        if cycle.keep_alive:
            self.transport.write(wire)
        else:
            self.transport.write(wire.replace(b"\r\n", b"\r\nconnection: close\r\n", 1))
            self.transport.close()
        self.on_response_complete()

    def on_body(self, body: bytes) -> None:
        """A body that came with an answered question is nobody's."""
        if not self._answered:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Ends the request, as uvicorn does after an answer of its own."""
        self._read_bytes, self._in_message = 0, False
        if not self._answered:
            super().on_message_complete()
        elif not self.transport.is_closing():
            self.on_response_complete()

    def shutdown(self) -> None:
        """Ends the connection with the answer that is under way, or with the next one if it comes soon."""
        self._parting = True
        if self._idle:
            self._read_on()
            self.loop.call_later(PARTING_S, self._part)
        else:
            super().shutdown()

    @property
    def _unread_s_max(self) -> float:
        return self._parts.settings.gateway_unread_s_max

    @property
    def _idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    @property
    def _is_free(self) -> bool:
        """Whether the next answer may go out on this connection."""
        return self._idle and not self._parting and not self.flow.write_paused

    def _part(self) -> None:
        if self._idle and not self.transport.is_closing():
            self.transport.close()

    def _expect_head(self) -> None:
        self._head_due_s = self.loop.time() + self._parts.settings.gateway_head_s_max
        self.timeout_keep_alive_task = self.loop.call_at(self._head_due_s, self.timeout_keep_alive_handler)

    def _is_plain(self) -> bool:
        """Whether the request can be answered at once, and the connection be used again."""
        return (
            self._is_free
            and self.parser.get_method() == b"GET"
            and self.parser.get_http_version() == "1.1"
            and self.parser.should_keep_alive()
            and not self.parser.should_upgrade()
        )

    def _is_too_large(self) -> bool:
        limit = self._parts.settings.gateway_head_bytes_max
        if self._read_bytes <= limit:  # of which the head is a part
            return False
        return len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > limit

    def _refuse(self) -> None:
        """Answers 431 and closes: nothing that follows on this connection could be understood."""
        limit = self._parts.settings.gateway_head_bytes_max
        detail = f"Address and headers have at most {limit} bytes here. Send less."
        problem = ProblemError(ProblemType.HEAD_TOO_LARGE, detail, headers={"Connection": "close"})
        self._answered = True
        if self._idle:  # else an earlier answer on this connection is under way, and this one would break it
            self.transport.write(_wire(problem))
        self.transport.close()


def _head_of(data: bytes) -> bytes | None:
    """What follows the first line of a question that is all of `data`; None where `data` is anything else."""
    line, _, head = data.partition(b"\r\n")
    whole = line.startswith(_LINE_BEGINS) and b"\n" not in line and head.find(_HEAD_ENDS) == len(head) - len(_HEAD_ENDS)
    return head if whole else None


def _wire(problem: ProblemError) -> bytes:
    """A problem as a whole HTTP answer."""
    response = problem_response(problem)
    pairs = (*response.raw_headers, *security_headers(ASK_PATH))
    lines = [STATUS_LINE[response.status_code], *(b"%b: %b\r\n" % pair for pair in pairs), b"\r\n"]
    return b"".join(lines) + bytes(response.body)
