"""The quick lane: a plain question that is to be shed is answered by the server's protocol, before ASGI is asked.

A shed answer through ASGI costs mostly ASGI: a task, an event, two messages, checked headers. Under ten times the load
that one can carry, the price of saying "no" decides how much is still said "yes" to: the share of useful work at L
times the load is (1 - L c) / (1 - c), with c the price of a shed answer over that of a full one.
"""

import re

from pydantic import ValidationError

from evershelf.contracts.keys import Scope
from evershelf.contracts.recommendations import RecommendationRequest
from evershelf.gateway.auth import verify
from evershelf.gateway.front import ASK_PATH
from evershelf.gateway.parts import Parts
from evershelf.gateway.problems import ProblemError, security_headers
from evershelf.policy.admission import DEADLINE_HEADERS, deadline_ms
from evershelf.policy.shedding import PRIORITY_HEADER, Priority, Service, priority, service

# A question that needs no parser: these names, values without escapes. Whatever else is asked takes the usual way.
_TEXT = rb"[!-$'-*,-~]{1,128}"
_PLAIN = re.compile(
    rb"(?:(?:placement=([a-z0-9-]{1,64})|k=([0-9]{1,3})|user_id=(%b)|session_id=(%b))(?:&|$))*" % (_TEXT, _TEXT)
)
_LEAST_URGENT = Priority.BULK
_NAMES = ("placement", "k", "user_id", "session_id")
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
    if service(_LEAST_URGENT, pressure) is not Service.SHED or (plain := _PLAIN.fullmatch(query)) is None:
        return None
    began_s = parts.outside.clock.monotonic_s()
    headers = {_READ[name]: value.decode("latin-1") for name, value in reversed(raw_headers) if name in _READ}
    asked = {name: value.decode() for name, value in zip(_NAMES, plain.groups(), strict=True) if value is not None}
    try:
        request = RecommendationRequest.model_validate(asked)
        key = verify(parts, headers.get("authorization"), Scope.RECOMMEND)
    except (ValidationError, ProblemError):
        return None
    placement, urgency = parts.mirror.placements.get(request.placement), priority(headers.get(PRIORITY_HEADER))
    if placement is None or service(urgency, pressure) is not Service.SHED:
        return None
    taken = parts.quotas.take(key)
    if not taken.allowed:
        return None
    parts.telemetry.admitted(urgency, Service.SHED)
    budget_ms = deadline_ms(headers, placement.deadline_ms)
    body = parts.shed.answer(request, placement, deadline_ms=budget_ms, began_s=began_s)
    rate = b"".join(b"%b: %b\r\n" % pair for pair in taken.headers)
    return _HEAD % (rate, len(body), body)
