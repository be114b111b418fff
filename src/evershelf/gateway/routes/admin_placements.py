"""Placements: what is in force, what an edit would answer, and the edit itself."""

from datetime import UTC, datetime

from fastapi import APIRouter, Request

from evershelf.contracts.admin_catalog import PlacementEdit, PlacementState, PreviewComparison, PreviewRequest
from evershelf.contracts.placements import DEFAULT_PLACEMENTS, Placement
from evershelf.contracts.problems import ProblemType
from evershelf.contracts.recommendations import RecommendationRequest
from evershelf.gateway.parts import parts_of
from evershelf.gateway.preview import preview
from evershelf.gateway.problems import ProblemError
from evershelf.gateway.routes.operator import Operator, stored
from evershelf.gateway.series_bucket import Bucket
from evershelf.storage.placements import PlacementChangedError, placement_version, replace_placement

router = APIRouter()
PLACEMENTS_TOLD_MAX = 1_000
HOUR_S = 3_600


@router.get("/placements")
async def list_placements(http: Request) -> list[PlacementState]:
    """The placements in force on this gateway, each with the version that an edit must name."""
    parts = parts_of(http)
    last_hour = (await parts.series.window(HOUR_S, 1)).whole
    return [_state(each, last_hour) for each in list(parts.mirror.placements.values())[:PLACEMENTS_TOLD_MAX]]


@router.put("/placements/{name}")
async def change_placement(http: Request, operator: Operator, name: str, edit: PlacementEdit) -> PlacementState:
    """Store a definition if the one it replaces is still that of `expected_version`; audited, in force in seconds."""
    if edit.placement.name != name:
        raise ProblemError(ProblemType.INVALID_REQUEST, "The name in the body is another than in the address.")
    parts = parts_of(http)
    try:
        await stored(
            parts,
            lambda pool: replace_placement(
                pool,
                edit.placement,
                expected_version=edit.expected_version,
                defaults=DEFAULT_PLACEMENTS,
                actor=operator.name,
            ),
        )
    except PlacementChangedError as error:
        raise ProblemError(ProblemType.CONFLICT, f"{error}.") from error
    return _state(edit.placement, Bucket())


@router.post("/placements/preview")
async def preview_placement(http: Request, wanted: PreviewRequest) -> PreviewComparison:
    """What this definition would answer, beside what is in force under its name; neither is recorded."""
    parts = parts_of(http)
    request = RecommendationRequest(
        placement=wanted.placement.name,
        user_id=wanted.user_id,
        session_id=wanted.session_id,
        context_items=wanted.context_items,
        category=wanted.category,
        k=wanted.k,
    )
    current = parts.mirror.placements.get(wanted.placement.name)
    return PreviewComparison(
        preview=await preview(parts, request, wanted.placement),
        current=None if current is None else await preview(parts, request, current),
        asked_at=datetime.now(UTC),
    )


def _state(placement: Placement, last_hour: Bucket) -> PlacementState:
    return PlacementState(
        placement=placement,
        version=placement_version(placement),
        default=placement in DEFAULT_PLACEMENTS,
        answers_last_hour=sum(count for _, count in last_hour.answered(placement.name)),
    )
