"""What one gateway process is made of: built once in create_app, found by routes on `app.state.parts`."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from fastapi import Request

from evershelf.contracts.health import DependencyState
from evershelf.contracts.recommendations import Source
from evershelf.gateway.admission import Admission
from evershelf.gateway.catalog_index import CatalogIndex
from evershelf.gateway.database import DatabaseLink
from evershelf.gateway.decisions import DecisionLog
from evershelf.gateway.drilling import Drills
from evershelf.gateway.erasures import Erasures
from evershelf.gateway.history import HistoryCache
from evershelf.gateway.inference_client import InferenceClient
from evershelf.gateway.loop_lag import LoopLag
from evershelf.gateway.mirror import Mirror
from evershelf.gateway.model_desk import ModelDesk
from evershelf.gateway.outside import Outside
from evershelf.gateway.quotas import Quotas
from evershelf.gateway.rollout import Rollout
from evershelf.gateway.series import Series
from evershelf.gateway.settings import GatewaySettings
from evershelf.gateway.shed import ShedAnswers
from evershelf.gateway.shipper import Shipper
from evershelf.gateway.snapshot import SnapshotHolder
from evershelf.gateway.spool import Spool
from evershelf.gateway.telemetry import Telemetry
from evershelf.policy.breaker import State

if TYPE_CHECKING:
    from evershelf.tracing.tracer import Tracer

# Within this time each rung serves, or is rehearsed.
RUNG_PROVEN_S_MAX = 3_600.0


@dataclass(frozen=True, slots=True)
class Parts:
    """All parts of a gateway, in the order in which they start; they stop in reverse."""

    settings: GatewaySettings
    outside: Outside
    telemetry: Telemetry
    loop_lag: LoopLag
    admission: Admission
    quotas: Quotas
    database: DatabaseLink
    snapshots: SnapshotHolder
    mirror: Mirror
    history: HistoryCache
    shed: ShedAnswers
    spool: Spool
    shipper: Shipper
    inference: InferenceClient
    decisions: DecisionLog
    erasures: Erasures
    series: Series
    drills: Drills
    catalog: CatalogIndex
    models: ModelDesk
    rollout: Rollout
    tracer: "Tracer | None" = None


def figures(parts: Parts) -> dict[str, float]:
    """What the parts know at this moment, by metric name; see telemetry.GAUGES."""
    shelf, counts, now_s = parts.snapshots.current, parts.spool.counts(), parts.outside.clock.unix_s()
    waits_since_s = now_s if counts.waits_since_s is None else counts.waits_since_s
    return {
        "evershelf_database_up": parts.database.state is DependencyState.UP,
        "evershelf_rollout_share": parts.rollout.share,
        "evershelf_snapshot_age_seconds": max(0.0, now_s - shelf.created_at_s),
        "evershelf_snapshot_items": len(shelf),
        "evershelf_spool_events_accepted": counts.accepted,
        "evershelf_spool_events_stored": counts.stored,
        "evershelf_spool_events_dead": counts.dead,
        "evershelf_spool_events_pending": counts.pending,
        "evershelf_spool_oldest_event_age_seconds": max(0.0, now_s - waits_since_s),
        "evershelf_spool_quarantined": parts.spool.quarantined,
        "evershelf_spool_failures": parts.spool.failures,
        "evershelf_shipping_failures_in_a_row": parts.shipper.failures_in_a_row,
        "evershelf_log_lines_dropped": parts.outside.log_lines_dropped(),
        "evershelf_decisions_dropped": parts.spool.decisions_dropped,
        "evershelf_decisions_passed_over": parts.decisions.passed_over,
        "evershelf_loop_lag_seconds": parts.loop_lag.lag_ms / 1_000,
        "evershelf_answers_in_hand": parts.admission.in_hand,
        "evershelf_rungs_unproven": sum(parts.series.proven_age_s(rung) > RUNG_PROVEN_S_MAX for rung in Source),
        "evershelf_drills_active": len(parts.drills.active),
        "evershelf_inference_in_flight": parts.inference.in_flight,
        "evershelf_inference_circuit_closed": parts.inference.circuit is State.CLOSED,
    }


def parts_of(request: Request) -> Parts:
    """The parts of the process that answers `request`."""
    return cast("Parts", request.app.state.parts)  # Starlette's state is untyped
