"""Uvicorn's protocol under our rules: a quick lane for what is shed, bounded heads, and an end that loses nothing."""

from typing import cast

from fastapi import FastAPI
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from evershelf.contracts.problems import ProblemType
from evershelf.gateway.front import ASK_PATH
from evershelf.gateway.parts import Parts
from evershelf.gateway.problems import ProblemError, problem_response, security_headers
from evershelf.gateway.quick_lane import shed

# A connection that is idle when the gateway stops is kept so much longer: a question may be on its way.
PARTING_S = 1.0
_ASKED = ASK_PATH.encode()


class GatewayProtocol(HttpToolsProtocol):
    """One connection. What is not said here is as in uvicorn."""

    app: FastAPI  # what server_config gives to uvicorn
    cycle: RequestResponseCycle | None  # type: ignore[assignment]  # there is none before the first request
    _answered = False  # here, not by ASGI
    _parting = False
    _read_bytes = 0  # since the last request was complete
    _head_due_s = 0.0

    @property
    def _parts(self) -> Parts:
        return cast("Parts", self.app.state.parts)  # Starlette's state is untyped

    def connection_made(self, transport: object) -> None:
        """A head has to arrive in its time."""
        super().connection_made(transport)  # type: ignore[arg-type]  # asyncio promises a Transport here
        self._expect_head()

    def data_received(self, data: bytes) -> None:
        """Reads on; a head that trickles in gains no time by it."""
        self._read_bytes += len(data)
        super().data_received(data)
        if self._idle and self.timeout_keep_alive_task is None and not self.transport.is_closing():
            if self._read_bytes > self._parts.settings.gateway_head_bytes_max:
                self._refuse()
            else:
                left_s = max(0.0, self._head_due_s - self.loop.time())
                self.timeout_keep_alive_task = self.loop.call_later(left_s, self.timeout_keep_alive_handler)

    def on_message_begin(self) -> None:
        """A new head begins."""
        super().on_message_begin()
        self._answered = False
        self._head_due_s = self.loop.time() + self._parts.settings.gateway_head_s_max

    def on_headers_complete(self) -> None:
        """Answers here and now, or leaves it to uvicorn."""
        if self._is_too_large():
            self._refuse()
            return
        path, _, query = self.url.partition(b"?")
        if path == _ASKED and self._is_plain() and (answer := self._shed(query)) is not None:
            self._answered = True
            self.transport.write(answer)
            return
        super().on_headers_complete()
        if self._parting and self.cycle is not None:
            self.cycle.keep_alive = False

    def _shed(self, query: bytes) -> bytes | None:
        try:
            return shed(self._parts, query, self.headers)
        except Exception as error:  # noqa: BLE001 - the source boundary: what fails here is answered the long way
            self._parts.telemetry.caught("quick_lane", error)
            return None

    def on_body(self, body: bytes) -> None:
        """A body that came with an answered question is nobody's."""
        if not self._answered:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Ends the request, as uvicorn does after an answer of its own."""
        self._read_bytes = 0
        if not self._answered:
            super().on_message_complete()
        elif not self.transport.is_closing():
            self.on_response_complete()

    def shutdown(self) -> None:
        """Ends the connection with the answer that is under way, or with the next one if it comes soon."""
        self._parting = True
        if self._idle:
            self.loop.call_later(PARTING_S, self._part)
        else:
            super().shutdown()

    @property
    def _idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _part(self) -> None:
        if self._idle and not self.transport.is_closing():
            self.transport.close()

    def _expect_head(self) -> None:
        self._head_due_s = self.loop.time() + self._parts.settings.gateway_head_s_max
        self.timeout_keep_alive_task = self.loop.call_at(self._head_due_s, self.timeout_keep_alive_handler)

    def _is_plain(self) -> bool:
        """Whether the request can be answered at once, and the connection be used again."""
        return (
            self._idle
            and not self._parting
            and self.parser.get_method() == b"GET"
            and self.parser.get_http_version() == "1.1"
            and self.parser.should_keep_alive()
            and not self.parser.should_upgrade()
            and not self.flow.write_paused
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
        response = problem_response(ProblemError(ProblemType.HEAD_TOO_LARGE, detail, headers={"Connection": "close"}))
        self._answered = True
        pairs = (*response.raw_headers, *security_headers(ASK_PATH))
        lines = [STATUS_LINE[response.status_code], *(b"%b: %b\r\n" % pair for pair in pairs), b"\r\n"]
        if self._idle:  # else an earlier answer on this connection is under way, and this one would break it
            self.transport.write(b"".join(lines) + bytes(response.body))
        self.transport.close()
