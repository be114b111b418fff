"""The HTTP routes beside ranking, and the description of ranking for OpenAPI."""

from datetime import UTC, datetime

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel, ConfigDict

import evershelf
from evershelf.contracts.health import Dependencies, Dependency, Readiness
from evershelf.contracts.inference import RankReply, RankRequest
from evershelf.contracts.problems import Problem, ProblemType
from evershelf.inference.artifact_loader import LoadedModel
from evershelf.inference.model_slot import ModelSlot
from evershelf.inference.problems import PROBLEM_MEDIA_TYPE, REFUSALS, problem_bytes
from evershelf.inference.rank_desk import RANK_PATH
from evershelf.inference.telemetry import Telemetry

RANK_PROBLEMS: dict[int | str, dict[str, object]] = {
    status: {"model": Problem, "content": {PROBLEM_MEDIA_TYPE: {}}, "description": "; ".join(titles)}
    for status, titles in {
        status: [refused.title for refused in REFUSALS.values() if refused.status == status]
        for status in sorted({refused.status for refused in REFUSALS.values()})
    }.items()
}


class ServingModel(BaseModel):
    """The model version that serves, and the metrics it had when it was made."""

    model_config = ConfigDict(frozen=True, protected_namespaces=())

    version: str
    algorithm: str
    items: int
    created_at: datetime
    loaded_at: datetime
    metrics: dict[str, float]


def build_router(slot: ModelSlot, telemetry: Telemetry) -> APIRouter:
    """The routes of one process, around its slot and its metrics."""
    router = APIRouter()

    @router.post(RANK_PATH, responses=RANK_PROBLEMS, summary="Rank items for histories")
    async def rank(request: RankRequest) -> RankReply:  # noqa: ARG001 - named for OpenAPI
        """Several histories at once, newest interaction first; answered in order, all by one model version.

        Ids that the model does not know are passed over. The header `X-Request-Deadline-Ms` says how long the caller
        still waits; `X-Evershelf-Model` may name an alias or a version. What is not loaded is answered by the champion:
        `model_version` says who answered.
        """
        # RankDesk answers before any routing; this stands here for OpenAPI.
        raise AssertionError("the rank desk is not in front of the routes")

    @router.get("/v1/model", response_model=ServingModel, responses={503: RANK_PROBLEMS[503]})
    async def model() -> ServingModel | Response:
        """The version that serves."""
        return _described(slot.current) if slot.current else _not_ready()

    @router.get("/livez")
    async def live() -> dict[str, bool]:
        """The process runs. Nothing else is asked: a restart would not mend a dependency."""
        return {"live": True}

    @router.get("/readyz", responses={503: {"model": Readiness}})
    async def ready(response: Response) -> Readiness:
        """Ready as soon as a verified and warm model is loaded, and for good: a loaded model is never let go."""
        current = slot.current
        response.status_code = 200 if current else 503
        return Readiness(
            ready=current is not None,
            detail="serving" if current else "no model version was loaded yet",
            version=evershelf.__version__,
            model_version=current.version if current else None,
        )

    @router.get("/dependencies")
    async def dependencies() -> Dependencies:
        """The registry: while it is away the loaded version serves on, and no new one arrives."""
        seen = slot.registry_state
        return Dependencies(
            dependencies=[Dependency(name="registry", state=seen.state, since_s=seen.since_s, detail=seen.detail)]
        )

    @router.get("/metrics", response_class=Response)
    async def metrics() -> Response:
        """Prometheus text."""
        return Response(telemetry.exposition(), headers={"content-type": CONTENT_TYPE_LATEST})

    return router


def _described(model: LoadedModel) -> ServingModel:
    manifest = model.manifest
    return ServingModel(
        version=manifest.version,
        algorithm=manifest.algorithm,
        items=manifest.items,
        created_at=manifest.created_at,
        loaded_at=datetime.fromtimestamp(model.loaded_at_s, UTC),
        metrics=manifest.metrics,
    )


def _not_ready() -> Response:
    refused = REFUSALS[ProblemType.NOT_READY]
    body = problem_bytes(
        ProblemType.NOT_READY, status=refused.status, title=refused.title, detail="no version was loaded yet"
    )
    return Response(body, refused.status, media_type=PROBLEM_MEDIA_TYPE)
