"""The front: answers the two busiest addresses before FastAPI is asked, and hands on to it whatever it doubts.

FastAPI serves the same addresses with the same functions, says what is wrong with a request, and describes the API;
the front only saves its price. What the front accepts, FastAPI would have accepted with the same meaning.
"""

from collections.abc import Mapping
from typing import cast
from urllib.parse import parse_qsl

from fastapi import FastAPI
from pydantic import ValidationError
from starlette.types import ASGIApp, Receive, Scope, Send

from evershelf.contracts.keys import Scope as KeyScope
from evershelf.contracts.recommendations import RecommendationRequest
from evershelf.gateway.auth import admit
from evershelf.gateway.body_limit import limited, replayed
from evershelf.gateway.parts import Parts
from evershelf.gateway.problems import Boundary
from evershelf.gateway.question import ASK_PATH, collected
from evershelf.gateway.recommend import answered
from evershelf.gateway.routes.events import taken
from evershelf.gateway.settings import GatewaySettings

REPORT_PATH = "/v1/events"
JSON = "application/json"
_CONTENT_TYPE = (b"content-type", JSON.encode())


def install(app: FastAPI, settings: GatewaySettings) -> None:
    """Puts the front before all of `app`; to be done when its routes and layers are complete."""
    app.middleware_stack = Front(app.build_middleware_stack(), settings)


class Front:
    """An ASGI application around `behind`, which gets everything that is not answered here."""

    def __init__(self, behind: ASGIApp, settings: GatewaySettings) -> None:
        self._behind = behind
        self._here = {
            ("GET", ASK_PATH): Boundary(self._recommend),
            ("POST", ASK_PATH): Boundary(limited(self._recommend, settings)),
            ("POST", REPORT_PATH): Boundary(limited(self._take_events, settings)),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers, or hands on."""
        here = self._here.get((scope["method"], scope["path"])) if scope["type"] == "http" else None
        await (here or self._behind)(scope, receive, send)

    async def _recommend(self, scope: Scope, receive: Receive, send: Send) -> None:
        parts, headers = _parts(scope), _headers(scope)
        began_s = parts.outside.clock.monotonic_s()
        admit(parts, scope, headers.get("authorization"), KeyScope.RECOMMEND)
        body = (await receive())["body"] if scope["method"] == "POST" else None
        request = _asked(scope["query_string"]) if body is None else _sent(body, headers)
        if request is None:
            await self._behind(scope, receive if body is None else replayed(body, receive), send)
            return
        answer = await answered(parts, request, headers, began_s=began_s)
        await _send(send, 200, answer.body, answer.headers)

    async def _take_events(self, scope: Scope, receive: Receive, send: Send) -> None:
        parts, headers = _parts(scope), _headers(scope)
        admit(parts, scope, headers.get("authorization"), KeyScope.EVENTS)
        if "content-encoding" in headers:
            await self._behind(scope, receive, send)
            return
        await _send(send, 202, await taken(parts, (await receive())["body"]))


def _parts(scope: Scope) -> Parts:
    return cast("Parts", scope["app"].state.parts)  # Starlette's state is untyped


def _headers(scope: Scope) -> dict[str, str]:
    """By their names in lower case; of several of one name the first."""
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in reversed(scope["headers"])}


def _asked(query: bytes) -> RecommendationRequest | None:
    """What a query string asks for; None where it is no valid question."""
    asked = collected(parse_qsl(query.decode("latin-1"), keep_blank_values=True))
    try:
        return RecommendationRequest.model_validate(asked)
    except ValidationError:
        return None


def _sent(body: bytes, headers: Mapping[str, str]) -> RecommendationRequest | None:
    """What a body asks for; None where it is no valid question."""
    if headers.get("content-type") != JSON:
        return None
    try:
        return RecommendationRequest.model_validate_json(body)
    except ValidationError:
        return None


async def _send(send: Send, status: int, body: bytes, more: tuple[tuple[bytes, bytes], ...] = ()) -> None:
    length = (b"content-length", b"%d" % len(body))
    await send({"type": "http.response.start", "status": status, "headers": [_CONTENT_TYPE, length, *more]})
    await send({"type": "http.response.body", "body": body})
