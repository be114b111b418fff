"""A challenger on trial: how it does, how a trial is begun and ended; and what recommendations brought."""

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Request

from evershelf.contracts.admin_rollout import (
    ArmFigures,
    AttributionReport,
    RolloutStart,
    RolloutStatus,
    RolloutStop,
)
from evershelf.contracts.manifest import AliasPointer, RolloutPlan
from evershelf.gateway.model_desk import Caller
from evershelf.gateway.parts import Parts, parts_of
from evershelf.gateway.routes.admin_models import carried_out
from evershelf.gateway.routes.operator import Operator, stored
from evershelf.policy.attribution import told
from evershelf.policy.rollout import Arm
from evershelf.registry.aliases import CHALLENGER, AliasConflict
from evershelf.registry.manifests import failed_checks
from evershelf.registry.store import Registry, challenge, withdraw
from evershelf.storage.attribution import AttributionQuestion, outcomes

router = APIRouter()
DAYS_MAX = 366
Days = Annotated[float, Query(gt=0, le=DAYS_MAX)]


@router.get("/canary")
async def get_canary(http: Request) -> RolloutStatus:
    """The trial as this gateway sees it: stage, share, both arms, overlap; why the last one ended."""
    return _status(parts_of(http))


@router.post("/canary")
async def start_canary(http: Request, operator: Operator, begin: RolloutStart) -> RolloutStatus:
    """Make a version the challenger: shadowed at once, served to more and more users if there are stages; audited."""
    parts = parts_of(http)
    plan = RolloutPlan(shadow_share=begin.shadow_share, stages=begin.stages, promote=begin.promote)

    def move(registry: Registry, caller: Caller) -> AliasPointer:
        failed = failed_checks(registry.manifest("models", begin.version))
        if failed and begin.stages:
            raise AliasConflict(f"{begin.version} failed the gate ({', '.join(failed)}): only a shadow is allowed")
        caller.check()
        return challenge(registry, begin.version, plan, moved_by=f"console:{operator.name}", reason=begin.reason)

    await carried_out(parts, operator.name, "canary.start", move)
    return await _looked(parts)


@router.post("/canary/stop")
async def stop_canary(http: Request, operator: Operator, stop: RolloutStop) -> RolloutStatus:
    """End the trial: everybody gets the champion again; audited."""
    parts = parts_of(http)

    def move(registry: Registry, caller: Caller) -> AliasPointer:
        found = registry.read_alias("models", CHALLENGER)
        if found is None:
            raise AliasConflict("there is no challenger")
        caller.check()
        return withdraw(registry, found.version, moved_by=f"console:{operator.name}", reason=stop.reason)

    await carried_out(parts, operator.name, "canary.stop", move)
    return await _looked(parts)


@router.get("/attribution")
async def get_attribution(http: Request, days: Days = 7.0, window_days: Days = 7.0) -> AttributionReport:
    """Click-through and conversion per placement, source, reason and model version, and the uplift over the holdout."""
    until = datetime.now(UTC)
    question = AttributionQuestion(until - timedelta(days=days), until, timedelta(days=window_days))
    found = await stored(parts_of(http), lambda pool: outcomes(pool, question))
    return AttributionReport.model_validate(
        {"since": question.since, "until": until, "window_days": window_days, **told(found)}
    )


async def _looked(parts: Parts) -> RolloutStatus:
    await parts.rollout.look_now()
    return _status(parts)


def _status(parts: Parts) -> RolloutStatus:
    rollout = parts.rollout
    trial, evidence = rollout.trial, rollout.evidence
    return RolloutStatus(
        state="idle" if trial is None else "canary" if trial.stages else "shadow",
        champion=rollout.champion,
        challenger=trial.pointer.version if trial else None,
        since=trial.pointer.moved_at if trial else None,
        begun_by=trial.pointer.moved_by if trial else None,
        plan=trial.plan if trial else None,
        stage=rollout.stage,
        share=rollout.share,
        champion_arm=_arm(evidence.champion),
        challenger_arm=_arm(evidence.challenger),
        compared=evidence.compared,
        mean_overlap=evidence.mean_overlap,
        absent=rollout.absent,
        last_end=rollout.last_end,
    )


def _arm(arm: Arm) -> ArmFigures:
    return ArmFigures.model_validate(asdict(arm) | {"mean_ms": arm.mean_ms})
