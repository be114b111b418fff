"""Puts the model server together: slot, desk and routes as one FastAPI application."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import anyio.to_thread
from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware

import evershelf
from evershelf.contracts.problems import ProblemType
from evershelf.contracts.refusals import with_refusals
from evershelf.inference.model_slot import ModelSlot
from evershelf.inference.problems import PROBLEM_MEDIA_TYPE, problem_bytes
from evershelf.inference.rank_desk import RankDesk
from evershelf.inference.routes import build_router
from evershelf.inference.settings import InferenceSettings
from evershelf.inference.telemetry import Telemetry
from evershelf.tracing.opening import open_tracer


def create_app(settings: InferenceSettings, *, log_lines_dropped: Callable[[], int] = int) -> FastAPI:
    """The application. Building it touches no disk; the registry is first looked at when it starts."""
    telemetry = Telemetry(log_lines_dropped)
    slot = ModelSlot(settings, telemetry)
    tracer = open_tracer("evershelf-inference", settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        slot.start()
        yield
        await anyio.to_thread.run_sync(slot.stop)
        if tracer is not None:
            tracer.close()

    desk = Middleware(RankDesk, settings=settings, telemetry=telemetry, find_model=slot.find, tracer=tracer)
    app = FastAPI(
        title="Evershelf inference",
        summary="Histories in, ranked items with evidence out.",
        version=evershelf.__version__,
        lifespan=lifespan,
        middleware=[desk],
        docs_url=None,
        redoc_url=None,
        exception_handlers={HTTPException: _http_problem},
        telemetry={"tracing": False, "metrics": False, "logs": False},  # ours tells of more, for less
    )
    app.include_router(build_router(slot, telemetry))
    describe = app.openapi
    app.openapi = lambda: with_refusals(describe())  # type: ignore[method-assign]  # the way that FastAPI's manual tells
    return app


async def _http_problem(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    missing = ProblemType.METHOD_NOT_ALLOWED if error.status_code == 405 else ProblemType.NOT_FOUND
    body = problem_bytes(missing, status=error.status_code, title=error.detail, detail=error.detail)
    return Response(body, error.status_code, error.headers, PROBLEM_MEDIA_TYPE)
