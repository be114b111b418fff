"""GET /openapi.json: encoded once, off the event loop. Describing every path takes most of a second."""

import asyncio
import json

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from evershelf.contracts.refusals import with_refusals


def install(app: FastAPI) -> None:
    """Answers before FastAPI's own route would, which encodes the document for every caller while all others wait."""
    assert app.openapi_url is not None
    describe = app.openapi
    app.openapi = lambda: with_refusals(describe())  # type: ignore[method-assign]  # the way that FastAPI's manual tells
    app.router.routes.insert(0, Route(app.openapi_url, Description(app).answer))


class Description:
    """The document of one application as bytes, made for the first who asks."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app
        self._encoding: asyncio.Task[bytes] | None = None

    async def answer(self, _: Request) -> Response:
        """The document."""
        if self._encoding is None:
            self._encoding = asyncio.create_task(asyncio.to_thread(self._encoded))
            self._encoding.add_done_callback(self._forget_failure)
        # Shielded: one who leaves does not take it from those who wait as well.
        return Response(await asyncio.shield(self._encoding), media_type="application/json")

    def _forget_failure(self, encoding: asyncio.Task[bytes]) -> None:
        if encoding.cancelled() or encoding.exception() is not None:
            self._encoding = None

    def _encoded(self) -> bytes:
        return json.dumps(self._app.openapi(), separators=(",", ":")).encode()
