"""The gateway's composition root: every part is built here, once, and nowhere else."""

import gc
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from fastapi import FastAPI

from evershelf import __version__
from evershelf.gateway import problems
from evershelf.gateway.body_limit import BodyLimit
from evershelf.gateway.database import DatabaseLink
from evershelf.gateway.decisions import DecisionLog
from evershelf.gateway.history import HistoryCache
from evershelf.gateway.inference_client import InferenceClient
from evershelf.gateway.loop_lag import LoopLag
from evershelf.gateway.mirror import Mirror
from evershelf.gateway.parts import Parts, figures
from evershelf.gateway.routes import catalog, events, health, recommendations
from evershelf.gateway.routes import problems as problem_pages
from evershelf.gateway.settings import GatewaySettings
from evershelf.gateway.shipper import Shipper
from evershelf.gateway.snapshot import SnapshotHolder
from evershelf.gateway.spool import Spool
from evershelf.gateway.telemetry import Telemetry

GC_YOUNG_OBJECTS = 20_000
GC_YOUNG_PER_MIDDLE = 50
GC_MIDDLE_PER_FULL = 1_000
SUMMARY = "Recommendations that are never empty, never late, and always explained."


def create_app(settings: GatewaySettings) -> FastAPI:
    """The gateway as an ASGI application. Nothing is opened before its lifespan begins."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        settings.gateway_data_dir.mkdir(parents=True, exist_ok=True)
        async with AsyncExitStack() as stack:
            app.state.parts = await _started(_build(settings), stack)
            yield

    app = FastAPI(title="Evershelf gateway", summary=SUMMARY, version=__version__, lifespan=lifespan)
    app.add_middleware(
        BodyLimit,
        bytes_max=settings.gateway_body_bytes_max,
        batch_bytes_max=settings.gateway_batch_body_bytes_max,
        seconds_max=settings.gateway_body_s_max,
    )
    problems.install(app)  # last, so that its boundary lies around everything else of ours
    for routes in (recommendations, events, catalog, health, problem_pages):
        app.include_router(routes.router)
    return app


def _build(settings: GatewaySettings) -> Parts:
    telemetry = Telemetry()
    database = DatabaseLink(settings.database_url, settings, telemetry)
    mirror = Mirror(settings, database)
    spool = Spool(settings)
    return Parts(
        settings=settings,
        telemetry=telemetry,
        loop_lag=LoopLag(),
        database=database,
        snapshots=SnapshotHolder(settings, mirror, telemetry),
        mirror=mirror,
        history=HistoryCache(settings, database),
        spool=spool,
        shipper=Shipper(spool, database, settings),
        inference=InferenceClient(settings, telemetry),
        decisions=DecisionLog(settings, spool),
    )


async def _started(parts: Parts, stack: AsyncExitStack) -> Parts:
    """Starts every part in order; the stack stops them in reverse, whatever happens in between."""
    parts.mirror.on_change(parts.snapshots.apply_changes)
    in_order = (
        parts.loop_lag, parts.database, parts.snapshots, parts.mirror, parts.spool, parts.shipper, parts.inference,
    )  # fmt: skip
    for part in in_order:
        await part.start()
        stack.push_async_callback(part.close)
    stack.push_async_callback(parts.history.close)
    parts.history.replay(await parts.spool.pending_events())
    parts.telemetry.watch(lambda: figures(parts))
    _spare_the_collector()
    return parts


def _spare_the_collector() -> None:
    """Keeps the garbage collector from stopping the event loop: full collections took 100 to 200 ms of it here.

    What exists by now lives as long as the process and is not looked at again. Nearly all garbage is freed by counting
    references; the rare cycle that is left dies young, in collections that stay quick.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_YOUNG_OBJECTS, GC_YOUNG_PER_MIDDLE, GC_MIDDLE_PER_FULL)
