"""Explain a request: find the decision in memory or PostgreSQL, tell all of it, ask the same again."""

from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request

from evershelf.contracts.admin_decisions import DecisionPage, DecisionQuery, Explanation, Origin, Purpose, Replay
from evershelf.gateway.decisions import Decision
from evershelf.gateway.explain import explained, moves_between, row_of
from evershelf.gateway.parts import Parts, parts_of
from evershelf.gateway.preview import considered
from evershelf.gateway.recommend import told
from evershelf.gateway.routes.operator import AWAY, not_found, stored_if_up
from evershelf.gateway.trace import recorded
from evershelf.storage.decisions import DecisionSearch, get_decision, search_decisions

router = APIRouter()
SINCE_DEFAULT = timedelta(days=7)
# The newest decisions of a gateway whose clock is ahead of this one are not left out.
CLOCKS_DIFFER_MAX = timedelta(minutes=1)


@router.get("/decisions")
async def search(http: Request, query: Annotated[DecisionQuery, Query()]) -> DecisionPage:
    """Decisions in [since, before), newest first, from memory and PostgreSQL; by default of the last seven days."""
    parts, limit = parts_of(http), query.limit
    before = query.before or datetime.now(UTC) + CLOCKS_DIFFER_MAX
    wanted = DecisionSearch(
        since=query.since or before - SINCE_DEFAULT,
        before=before,
        limit=limit + 1,
        user_id=query.user_id,
        session_id=query.session_id,
        placement=query.placement,
        source=query.source,
        reason=query.reason,
        degraded=query.degraded,
    )
    remembered = parts.decisions.matching(wanted.wants, limit + 1)
    stored = await stored_if_up(parts, lambda pool: search_decisions(pool, wanted))
    both = {each.recommendation_id: each for each in (*(stored or ()), *remembered)}
    found = sorted(both.values(), key=lambda each: each.decided_at, reverse=True)
    more = len(found) > limit
    return DecisionPage(
        decisions=[row_of(each) for each in found[:limit]],
        next_before=found[limit - 1].decided_at if more else None,
        origin=Origin.MEMORY if stored is None else Origin.BOTH,
        note=_note(parts, database=stored is not None),
    )


@router.get("/decisions/{recommendation_id}")
async def explain(http: Request, recommendation_id: UUID) -> Explanation:
    """Everything known of one answer: request, history, attempts, candidates, what was filtered, the list."""
    parts = parts_of(http)
    decision, origin = await _find(parts, recommendation_id)
    return explained(parts, decision, origin)


@router.post("/decisions/{recommendation_id}/replay")
async def replay(http: Request, recommendation_id: UUID) -> Replay:
    """Ask the same again, now. Recorded as a replay under an id of its own; counted nowhere as an answer."""
    parts = parts_of(http)
    decision, origin = await _find(parts, recommendation_id)
    before = explained(parts, decision, origin)
    if before.request is None or before.definition is None:
        raise not_found("request kept with this decision, so it cannot be asked again")
    placement = parts.mirror.placements.get(decision.placement)
    decided, elapsed_ms = await considered(
        parts, before.request, placement or before.definition, before.decision.deadline_ms
    )
    new_id = parts.outside.new_id()
    head = told(decided, new_id, now_s=parts.outside.clock.unix_s(), elapsed_ms=elapsed_ms)
    again = recorded(parts, decided, head, new_id, Purpose.REPLAY)
    parts.decisions.record(again)
    now = explained(parts, again, Origin.MEMORY)
    moves, same_items = moves_between(before, now)
    note = None if placement is not None else "The placement is gone: its definition of then was used."
    return Replay(before=before, now=now, moves=moves, same_items=same_items, note=note or before.note)


async def _find(parts: Parts, recommendation_id: UUID) -> tuple[Decision, Origin]:
    if (remembered := parts.decisions.find(recommendation_id)) is not None:
        return remembered, Origin.MEMORY
    stored = await stored_if_up(parts, lambda pool: get_decision(pool, recommendation_id))
    if stored is not None:
        return stored, Origin.DATABASE
    away = "" if parts.database.pool is not None else f" in memory ({AWAY})"
    problem = not_found(f"decision {str(recommendation_id)!r}{away}")
    if parts.decisions.passed_over:
        problem.detail += f" Perhaps it was not recorded. {_rate(parts)}"
    raise problem


def _note(parts: Parts, *, database: bool) -> str | None:
    share, told = parts.settings.gateway_decisions_share, []
    if not database:
        told.append(f"{AWAY} It holds the newest {len(parts.decisions)} decisions of this gateway.")
    elif share < 1:
        told.append(f"PostgreSQL keeps {share:.1%} of the decisions; memory holds the newest {len(parts.decisions)}.")
    if parts.decisions.passed_over:
        told.append(_rate(parts))
    return " ".join(told) or None


def _rate(parts: Parts) -> str:
    per_s = parts.settings.gateway_decisions_per_s_max
    return f"Of the answers beyond {per_s:g} a second, {parts.decisions.passed_over} were not recorded here."
