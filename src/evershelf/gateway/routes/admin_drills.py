"""Drills inside this gateway: start one, see what runs and what came of it, stop it."""

from fastapi import APIRouter, Request

from evershelf.contracts.admin_operation import Drill, DrillEnd, DrillRequest, Drills
from evershelf.contracts.problems import ProblemType
from evershelf.gateway.drilling import TooManyDrillsError
from evershelf.gateway.parts import Parts, parts_of
from evershelf.gateway.problems import ProblemError
from evershelf.gateway.routes.operator import Operator, not_found, stored_if_up
from evershelf.storage.audit import record_deed

router = APIRouter()
NOTE = "Drills run in the gateway process that took the call; other gateways of the installation are not touched."


@router.get("/drills")
async def list_drills(http: Request) -> Drills:
    """What runs on this gateway now, and the reports of what ran, newest first."""
    drills = parts_of(http).drills
    return Drills(active=drills.running(), reports=list(drills.reports), note=NOTE)


@router.post("/drills", status_code=201)
async def start_drill(http: Request, operator: Operator, wanted: DrillRequest) -> Drill:
    """Play a fault on a share of the traffic; it ends by itself, at the latest after `duration_s`. Audited."""
    parts = parts_of(http)
    if wanted.placement is not None and wanted.placement not in parts.mirror.placements:
        raise ProblemError(ProblemType.UNKNOWN_PLACEMENT, f"There is no placement {wanted.placement!r}.")
    audited = not parts.drills.full and await _audit(parts, operator.name, "drill.start", wanted)
    try:
        return parts.drills.begin(wanted, actor=operator.name, audited=audited)
    except TooManyDrillsError as error:
        raise ProblemError(ProblemType.CONFLICT, f"{error}.") from error


@router.get("/drills/{drill_id}")
async def get_drill(http: Request, drill_id: str) -> Drill:
    """One drill: as it stands while it runs, its report afterwards."""
    drills = parts_of(http).drills
    known = {each.drill_id: each for each in (*drills.reports, *drills.running())}
    if drill_id not in known:
        raise not_found(f"drill {drill_id!r}")
    return known[drill_id]


@router.post("/drills/{drill_id}/stop")
async def stop_drill(http: Request, operator: Operator, drill_id: str) -> Drill:
    """End a drill now and give its report. Audited."""
    parts = parts_of(http)
    report = parts.drills.stop(drill_id, DrillEnd.STOPPED)
    if report is None:
        raise not_found(f"drill {drill_id!r} that runs")
    await _audit(parts, operator.name, "drill.stop", report.request)
    return report


async def _audit(parts: Parts, actor: str, action: str, wanted: DrillRequest) -> bool:
    detail = wanted.model_dump(mode="json", exclude_defaults=True)
    done = await stored_if_up(
        parts, lambda pool: record_deed(pool, actor=actor, action=action, subject=wanted.kind, detail=detail)
    )
    return bool(done)
