"""The gateway's composition root: every part is built here, once, and nowhere else."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from fastapi import FastAPI

from evershelf import __version__
from evershelf.gateway import description, front, problems
from evershelf.gateway.admission import Admission
from evershelf.gateway.body_limit import limited
from evershelf.gateway.catalog_index import CatalogIndex
from evershelf.gateway.database import DatabaseLink
from evershelf.gateway.decisions import DecisionLog
from evershelf.gateway.drilling import Drills
from evershelf.gateway.embedded_metrics import EmbeddedMetrics
from evershelf.gateway.erasures import Erasures
from evershelf.gateway.history import HistoryCache
from evershelf.gateway.inference_client import InferenceClient
from evershelf.gateway.loop_lag import LoopLag
from evershelf.gateway.mirror import Mirror
from evershelf.gateway.model_desk import ModelDesk
from evershelf.gateway.outside import Outside
from evershelf.gateway.parts import Parts, figures
from evershelf.gateway.quotas import Quotas
from evershelf.gateway.rehearsal import Rehearsals
from evershelf.gateway.rollout import Rollout
from evershelf.gateway.routes import admin, catalog, events, health, recommendations, shop
from evershelf.gateway.routes import problems as problem_pages
from evershelf.gateway.series import Series
from evershelf.gateway.settings import GatewaySettings
from evershelf.gateway.shed import ShedAnswers
from evershelf.gateway.shipper import Shipper
from evershelf.gateway.snapshot import SnapshotHolder
from evershelf.gateway.spool import Spool
from evershelf.gateway.telemetry import Telemetry
from evershelf.gateway.training_watch import TrainingWatch
from evershelf.gateway.watch import Watch
from evershelf.tracing.opening import open_tracer

SUMMARY = "Recommendations that are never empty, never late, and always explained."


def create_app(settings: GatewaySettings, outside: Outside | None = None) -> FastAPI:
    """The gateway as an ASGI application on this machine or another. Nothing is opened before its lifespan."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        settings.gateway_data_dir.mkdir(parents=True, exist_ok=True)
        async with AsyncExitStack() as stack:
            app.state.parts = await _started(_build(settings, outside or Outside()), stack)
            yield

    app = FastAPI(
        title="Evershelf gateway",
        summary=SUMMARY,
        version=__version__,
        lifespan=lifespan,
        telemetry={"tracing": False, "metrics": False, "logs": False},  # ours tells of more, for less
    )
    # Recommendations before the catalog: `/related` behind an id is not a part of it.
    for routes in (recommendations, shop, events, catalog, health, problem_pages, admin):
        app.include_router(routes.router)
    description.install(app)
    app.add_middleware(limited, settings=settings)
    problems.install(app)  # its boundary lies around everything before
    front.install(app, settings)
    return app


def _build(settings: GatewaySettings, outside: Outside) -> Parts:
    telemetry = Telemetry()
    database = DatabaseLink(settings.database_url, settings, telemetry, outside=outside)
    mirror = Mirror(settings, database)
    history = HistoryCache(settings, database, clock=outside.clock)
    spool = Spool(settings, clock=outside.clock, open_sqlite=outside.open_sqlite)
    snapshots = SnapshotHolder(settings, mirror, telemetry, clock=outside.clock)
    series = Series(outside.clock)
    models = ModelDesk(settings)
    loop_lag = LoopLag(outside.clock.monotonic_s)
    decisions = DecisionLog(settings, spool, clock=outside.clock)
    return Parts(
        settings=settings,
        outside=outside,
        telemetry=telemetry,
        loop_lag=loop_lag,
        admission=Admission(settings, loop_lag, telemetry, outside),
        quotas=Quotas(settings, outside.clock),
        database=database,
        snapshots=snapshots,
        mirror=mirror,
        history=history,
        shed=ShedAnswers(snapshots, mirror, history, told=(telemetry, series), outside=outside),
        spool=spool,
        shipper=Shipper(spool, database, settings, outside=outside),
        inference=InferenceClient(settings, telemetry, loop_lag=loop_lag, outside=outside),
        decisions=decisions,
        erasures=Erasures(mirror, history, decisions),
        series=series,
        drills=Drills(settings, series, outside),
        catalog=CatalogIndex(snapshots, telemetry),
        models=models,
        rollout=Rollout(settings, models, database, telemetry, outside=outside),
        tracer=open_tracer("evershelf-gateway", settings, monotonic_s=outside.clock.monotonic_s),
    )


async def _started(parts: Parts, stack: AsyncExitStack) -> Parts:
    """Starts every part in order; the stack stops them in reverse, whatever happens in between."""
    if parts.tracer is not None:
        stack.callback(parts.tracer.close)
    parts.mirror.on_change(parts.snapshots.apply_changes)
    in_order = (
        parts.loop_lag, parts.database, parts.snapshots, parts.mirror, parts.spool, parts.shipper, parts.inference,
    )  # fmt: skip
    for part in in_order:
        await part.start()
        stack.push_async_callback(part.close)
    stack.push_async_callback(parts.history.close)
    stack.push_async_callback(parts.erasures.close)
    waiting = await parts.spool.pending_events()
    parts.history.replay(event for event in waiting if not parts.erasures.forbids_event(event))
    parts.telemetry.watch(lambda: figures(parts))
    for console in (
        parts.drills,
        parts.catalog,
        parts.models,
        parts.rollout,
        Watch(parts),
        TrainingWatch(parts),
        EmbeddedMetrics(parts.settings.gateway_emf_interval_s, parts.telemetry, parts.outside.clock),
        Rehearsals(parts),
    ):  # after all that answers need
        await console.start()
        stack.push_async_callback(console.close)
    parts.outside.settle()
    return parts
