"""The quick lane: a plain question is answered by the server's protocol, before ASGI is asked.

Through ASGI a shed answer costs mostly ASGI: a task, an event, two messages, checked headers. Under ten times the load
that one can carry, the price of saying "no" decides how much is still said "yes" to: the share of
useful work at L times the load is (1 - L c) / (1 - c), with c the price of a shed answer over that of a full one.
"""

from collections.abc import Coroutine
from typing import Any

from pydantic import ValidationError

from evershelf.contracts.keys import Scope
from evershelf.contracts.recommendations import RecommendationRequest
from evershelf.gateway.ask import Ask
from evershelf.gateway.parts import Parts
from evershelf.gateway.problems import ProblemError, security_headers
from evershelf.gateway.question import ASK_PATH, Head, plainly_asked
from evershelf.gateway.recommend import Reply, begun, finished

Headers = tuple[tuple[bytes, bytes], ...]
_HEAD = b"".join([
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n",
    *(b"%b: %b\r\n" % pair for pair in security_headers(ASK_PATH)),
    b"%bcontent-length: %d\r\n\r\n%b",
])  # fmt: skip


def answer(parts: Parts, query: bytes, head: Head) -> bytes | Coroutine[Any, Any, bytes] | None:
    """The whole HTTP answer to a plain and valid question: at once where it is shed, else when it has been awaited.

    None for everything else, which is told elsewhere. Keys, quotas, placements, rules and eligibility hold as they do
    for every answer.
    """
    if (asked := plainly_asked(query)) is None:
        return None
    began_s = parts.outside.clock.monotonic_s()
    try:
        request = RecommendationRequest.model_validate(asked)
        key = head.caller.verified(parts, Scope.RECOMMEND)
    except (ValidationError, ProblemError):
        return None
    if request.placement not in parts.mirror.placements or not (taken := parts.quotas.take(key)).allowed:
        return None
    ask = begun(parts, request, head.headers, began_s=began_s)
    return _whole(ask, taken.headers) if isinstance(ask, Reply) else _awaited(parts, ask, taken.headers)


async def _awaited(parts: Parts, ask: Ask, quota: Headers) -> bytes:
    return _whole(await finished(parts, ask), quota)


def _whole(reply: Reply, quota: Headers) -> bytes:
    more = b"".join([b"%b: %b\r\n" % pair for pair in (*quota, *reply.headers)])
    return _HEAD % (more, len(reply.body), reply.body)
