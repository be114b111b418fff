"""Uvicorn's protocol with a quick lane: a plain question that is to be shed is answered before ASGI is asked.

A shed answer through ASGI costs mostly ASGI: a task, an event, two messages, checked headers. Under ten times the load
that one can carry, the price of saying "no" decides how much is still said "yes" to: the share of useful work at L
times the load is (1 - L c) / (1 - c), with c the price of a shed answer over that of a full one.
"""

import re
from typing import cast

from fastapi import FastAPI
from pydantic import ValidationError
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from evershelf.contracts.keys import Scope
from evershelf.contracts.recommendations import RecommendationRequest
from evershelf.gateway.auth import verify
from evershelf.gateway.front import ASK_PATH
from evershelf.gateway.parts import Parts
from evershelf.gateway.problems import ProblemError, security_headers
from evershelf.policy.admission import DEADLINE_HEADERS, deadline_ms
from evershelf.policy.shedding import PRIORITY_HEADER, SHEDDING_FROM

# A question that needs no parser: these names, values without escapes. Whatever else is asked takes the usual way.
_TEXT = rb"[!-$'-*,-~]{1,128}"
_PLAIN = re.compile(
    rb"(?:(?:placement=([a-z0-9-]{1,64})|k=([0-9]{1,3})|user_id=(%b)|session_id=(%b))(?:&|$))*" % (_TEXT, _TEXT)
)
_NAMES = ("placement", "k", "user_id", "session_id")
_PATH = ASK_PATH.encode()
_READ = {name.encode(): name for name in ("authorization", PRIORITY_HEADER, *DEADLINE_HEADERS)}
_HEAD = b"".join([
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n",
    *(b"%b: %b\r\n" % pair for pair in security_headers(ASK_PATH)),
    b"%bcontent-length: %d\r\n\r\n%b",
])  # fmt: skip


def shed(parts: Parts, query: bytes, raw_headers: list[tuple[bytes, bytes]]) -> bytes | None:
    """The whole HTTP answer to a valid question that is to be shed; None for everything else, which is told elsewhere.

    Keys, placements, rules and eligibility hold as they do for every answer.
    """
    pressure = parts.admission.pressure
    if pressure < SHEDDING_FROM or (plain := _PLAIN.fullmatch(query)) is None:
        return None
    began_s = parts.outside.clock.monotonic_s()
    headers = {_READ[name]: value.decode("latin-1") for name, value in reversed(raw_headers) if name in _READ}
    asked = {name: value.decode() for name, value in zip(_NAMES, plain.groups(), strict=True) if value is not None}
    try:
        request = RecommendationRequest.model_validate(asked)
        key = verify(parts, headers.get("authorization"), Scope.RECOMMEND)
    except (ValidationError, ProblemError):
        return None
    placement = parts.mirror.placements.get(request.placement)
    if placement is None or not parts.admission.sheds(headers, pressure):
        return None
    taken = parts.quotas.take(key)
    if not taken.allowed:
        return None
    budget_ms = deadline_ms(headers, placement.deadline_ms)
    body = parts.shed.answer(request, placement, deadline_ms=budget_ms, began_s=began_s)
    rate = b"".join(b"%b: %b\r\n" % pair for pair in taken.headers)
    return _HEAD % (rate, len(body), body)


class GatewayProtocol(HttpToolsProtocol):
    """Uvicorn's protocol, which asks `shed` first when a question without a body comes in and no other is in hand."""

    app: FastAPI  # what server_config gives to uvicorn
    cycle: RequestResponseCycle | None  # type: ignore[assignment]  # there is none before the first request
    _answered = False

    def on_headers_complete(self) -> None:
        """Answers here and now, or leaves it to uvicorn."""
        path, _, query = self.url.partition(b"?")
        self._answered = False
        if path == _PATH and self._is_plain():
            answer = shed(cast("Parts", self.app.state.parts), query, self.headers)  # Starlette's state is untyped
            if answer is not None:
                self._answered = True
                self.transport.write(answer)
                return
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A body that came with an answered question is nobody's."""
        if not self._answered:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Ends the request, as uvicorn does after an answer of its own."""
        if self._answered:
            self.on_response_complete()
        else:
            super().on_message_complete()

    def _is_plain(self) -> bool:
        """Whether the request can be answered at once, and the connection be used again."""
        idle = self.cycle is None or self.cycle.response_complete
        return (
            idle
            and self.parser.get_method() == b"GET"
            and self.parser.get_http_version() == "1.1"
            and self.parser.should_keep_alive()
            and not self.parser.should_upgrade()
            and not self.flow.write_paused
        )
