"""Health: whether the process lives, may receive traffic, and what it sees of its dependencies."""

from fastapi import APIRouter, Request, Response

from evershelf import __version__
from evershelf.contracts.health import Dependencies, Dependency, DependencyState, Readiness
from evershelf.gateway.parts import Parts, parts_of

router = APIRouter(tags=["health"])
EXPOSITION_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@router.get("/livez", response_class=Response)
async def get_live() -> Response:
    """The process runs and its event loop turns."""
    return Response("live\n", media_type="text/plain")


@router.get("/readyz", responses={200: {"model": Readiness}, 503: {"model": Readiness}}, response_class=Response)
async def get_ready(request: Request) -> Response:
    """Ready needs a snapshot and nothing else: without the model or PostgreSQL the shelf is full all the same."""
    holder = parts_of(request).snapshots
    ready = holder.has_snapshot
    readiness = Readiness(
        ready=ready,
        detail="answering" if ready else "no snapshot yet: run `evershelf refresh`",
        version=__version__,
        snapshot_version=holder.current.version,
    )
    return Response(readiness.model_dump_json(), 200 if ready else 503, media_type="application/json")


@router.get("/dependencies")
async def get_dependencies(request: Request) -> Dependencies:
    """The state of every dependency, as last seen; none of them is asked for this answer."""
    parts = parts_of(request)
    shelf, counts = parts.snapshots.current, parts.spool.counts()
    return Dependencies(
        dependencies=[
            Dependency(
                name="postgresql",
                state=parts.database.state,
                since_s=_since(parts, parts.database.since_s),
                detail="Holds items, users, events. Away: answers go on, events wait in the spool.",
            ),
            Dependency(
                name="inference",
                state=parts.inference.state,
                since_s=None,
                detail=f"Ranks for known users; circuit {parts.inference.circuit}. Away: the baseline answers.",
                replicas=parts.inference.health(),
            ),
            Dependency(
                name="snapshot",
                state=DependencyState.UP if parts.snapshots.has_snapshot else DependencyState.DOWN,
                since_s=_since(parts, shelf.created_at_s),
                detail=f"Version {shelf.version}, {len(shelf)} items, {parts.mirror.items_changed} changed since.",
            ),
            _spool(parts, counts.pending),
        ]
    )


@router.get("/metrics", response_class=Response)
async def get_metrics(request: Request) -> Response:
    """Prometheus' text format."""
    return Response(parts_of(request).telemetry.exposition(), media_type=EXPOSITION_TYPE)


def _spool(parts: Parts, pending: int) -> Dependency:
    """Whoever asks gets no error's text, which may quote rows; operators read it in /v1/admin/data-health."""
    cause = f" Shipping fails: {parts.shipper.last_cause}." if parts.shipper.failures_in_a_row else ""
    detail = f"{pending} events wait for PostgreSQL.{cause}"
    state = DependencyState.UP if parts.spool.available else DependencyState.DOWN
    return Dependency(name="spool", state=state, since_s=None, detail=detail)


def _since(parts: Parts, moment_s: float | None) -> float | None:
    return None if moment_s is None else round(max(0.0, parts.outside.clock.unix_s() - moment_s), 3)
