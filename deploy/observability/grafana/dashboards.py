"""Grafana's dashboards, written as JSON beside this program: `make dashboards`; `--check` fails if they are stale."""

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any  # Grafana's JSON has no types of its own

FOLDER = Path(__file__).resolve().parent
# Grafana's grid is 24 wide. A row of figures is low, a row of graphs is high.
GRID_WIDTH, FIGURE_HEIGHT, GRAPH_HEIGHT = 24, 4, 8
PER_SECOND, SHARE, SECONDS, COUNT = "reqps", "percentunit", "s", "short"
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
HERE = 'placement=~"$placement"'
DEGRADED = f'{HERE},degraded="true"'


@dataclass(frozen=True)
class Panel:
    """One question put to Prometheus: `series` are pairs of an expression and the legend of what it yields."""

    title: str
    unit: str
    series: tuple[tuple[str, str], ...]
    means: str = ""
    kind: str = "timeseries"


def figure(title: str, unit: str, expression: str, means: str = "") -> Panel:
    """The newest value, large."""
    return Panel(title, unit, ((expression, ""),), means, "stat")


def graph(title: str, unit: str, *series: tuple[str, str], means: str = "") -> Panel:
    """Values over time."""
    return Panel(title, unit, series, means)


def rate(metric: str, by: str, where: str = "") -> tuple[str, str]:
    """So many a second, one line for each value of the labels `by`."""
    selector = f"{metric}{{{where}}}" if where else metric
    legend = " ".join(f"{{{{{label.strip()}}}}}" for label in by.split(","))
    return f"sum by ({by}) (rate({selector}[$__rate_interval]))", legend


def quantiles(histogram: str, where: str = "") -> tuple[tuple[str, str], ...]:
    """Half, 99 % and 99.9 % of the observations were at most this."""
    buckets = f"sum by (le) (rate({histogram}_bucket{{{where}}}[$__rate_interval]))"
    return tuple((f"histogram_quantile({share}, {buckets})", f"p{share * 100:g}") for share in (0.5, 0.99, 0.999))


def each(metric: str, legend: str = "{{instance}}") -> tuple[str, str]:
    """A figure of every process."""
    return metric, legend


def versions(info: str) -> tuple[str, str]:
    """How many processes have each model version."""
    return f"count by (model_version) ({info})", "{{model_version}}"


PROMISE = (
    (
        figure("Valid and in time, 1 h", SHARE, "1 - job:evershelf_bad:share1h", "Not late, not empty, not failed."),
        figure("Error budget left, 3 d", SHARE, "1 - job:evershelf_bad:share3d / 0.001", "Of an objective of 99.9 %."),
        figure("Degraded, 5 min", SHARE, "job:evershelf_degraded:share5m", "A dependency was in trouble."),
        figure("Answers", PER_SECOND, "job:evershelf_answers:rate5m"),
    ),
    (
        graph("Answers by source", PER_SECOND, rate("evershelf_answers_total", "source", HERE)),
        graph("Degraded answers by reason", PER_SECOND, rate("evershelf_answers_total", "reason", DEGRADED)),
    ),
    (
        graph("Time to answer", SECONDS, *quantiles("evershelf_answer_duration_seconds", HERE)),
        graph("Late answers", PER_SECOND, rate("evershelf_deadline_misses_total", "placement", HERE)),
    ),
    (
        graph(
            "Burn rate",
            COUNT,
            *((f"job:evershelf_bad:share{window} / 0.001", window) for window in ("5m", "1h", "6h", "1d", "3d")),
            means="1 spends the error budget exactly; 14.4 over 1 h or 6 over 6 h wakes somebody.",
        ),
        graph("Service by priority", PER_SECOND, rate("evershelf_admissions_total", "priority, service")),
        graph("Answered 429", PER_SECOND, rate("evershelf_quota_refusals_total", "scope, quota")),
    ),
)  # fmt: skip

RESILIENCE = (
    (
        figure("Processes down", COUNT, 'count(up{job=~"evershelf-.*"} == 0) or vector(0)'),
        figure("Circuits open", COUNT, "count(evershelf_inference_circuit_closed == 0) or vector(0)"),
        figure("Gateways without database", COUNT, "count(evershelf_database_up == 0) or vector(0)"),
        figure("Oldest snapshot", SECONDS, "max(evershelf_snapshot_age_seconds)"),
        figure("Rungs unproven", COUNT, "max(evershelf_rungs_unproven)"),
        figure(
            "Drills", COUNT, "sum(evershelf_drills_active)", "Faults played on purpose: look here before you worry."
        ),
    ),
    (
        graph("Questions to inference by outcome", PER_SECOND, rate("evershelf_inference_calls_total", "reason")),
        graph("Time inference takes", SECONDS, *quantiles("evershelf_inference_call_duration_seconds")),
    ),
    (
        graph("Model branches in flight", COUNT, each("evershelf_inference_in_flight", "{{job}} {{instance}}")),
        graph("Answers in hand", COUNT, each("evershelf_answers_in_hand")),
        graph("Event loop lag", SECONDS, each("evershelf_loop_lag_seconds")),
    ),
    (
        graph("Snapshot age", SECONDS, each("evershelf_snapshot_age_seconds")),
        graph("Items in the snapshot", COUNT, each("evershelf_snapshot_items")),
        graph("Snapshots refused", PER_SECOND, rate("evershelf_snapshot_refusals_total", "instance")),
        graph("Bugs survived", PER_SECOND, rate("evershelf_caught_errors_total", "boundary")),
        graph(
            "Log lines without room",
            COUNT,
            each("evershelf_log_lines_dropped"),
            each("evershelf_inference_log_lines_dropped"),
        ),
    ),
)

MODELS = (
    (
        figure("Answers from the model, 5 min", SHARE,
               'sum(rate(evershelf_answers_total{source="model"}[5m])) / sum(rate(evershelf_answers_total[5m]))'),
        figure("Versions that serve", COUNT, "count(count by (model_version) (evershelf_inference_model_info))",
               "More than one for long: a replica does not follow the champion."),
        figure("Since the last load", SECONDS, "time() - max(evershelf_inference_model_loaded_timestamp_seconds)"),
        figure("Versions refused, 1 d", COUNT, "sum(increase(evershelf_inference_refused_loads_total[1d]))"),
        figure("Age of the champion", SECONDS, "max(evershelf_model_age_seconds)"),
        figure("Since the last training", SECONDS, "min(evershelf_training_age_seconds)"),
    ),
    (
        graph("How the last training ended", COUNT,
              ("max by (outcome) (evershelf_training_last_outcome)", "{{outcome}}")),
        graph("Checks of its data", COUNT, ("max by (verdict) (evershelf_training_data_checks)", "{{verdict}}")),
    ),
    (
        graph("Replicas by champion", COUNT, versions("evershelf_inference_model_info")),
        graph("Replicas by challenger", COUNT, versions("evershelf_inference_challenger_info")),
        graph("Versions taken into service", PER_SECOND, rate("evershelf_inference_model_swaps_total", "instance")),
        graph("Versions refused", PER_SECOND, rate("evershelf_inference_refused_loads_total", "reason")),
    ),
    (
        graph("Share of users who get the challenger", SHARE, each("evershelf_rollout_share")),
        graph("Calls of the two on trial", PER_SECOND, rate("evershelf_rollout_calls_total", "arm, kind")),
        graph("What their lists have in common", SHARE, *quantiles("evershelf_shadow_overlap")[:1]),
        graph("Challengers withdrawn", PER_SECOND, rate("evershelf_rollout_withdrawals_total", "guardrail")),
    ),
    (
        graph("Rank requests by outcome", PER_SECOND, rate("evershelf_inference_requests_total", "outcome")),
        graph("Time to rank", SECONDS, *quantiles("evershelf_inference_request_duration_seconds")),
    ),
    (
        graph("Histories ranked", PER_SECOND, rate("evershelf_inference_queries_total", "instance")),
        graph("Histories dropped", PER_SECOND, rate("evershelf_inference_queries_dropped_total", "instance"),
              means="Their askers no longer waited."),
    ),
)  # fmt: skip

DATA = (
    (
        figure("Events waiting", COUNT, "sum(evershelf_spool_events_pending)"),
        figure("Oldest has waited", SECONDS, "max(evershelf_spool_oldest_event_age_seconds)"),
        figure("Dead letters, 1 d", COUNT, "sum(increase(evershelf_spool_events_dead[1d]))"),
        figure("Damaged spool files", COUNT, "sum(evershelf_spool_quarantined)"),
        figure("Events unaccounted for", COUNT,
               "sum(evershelf_spool_events_accepted - evershelf_spool_events_stored"
               " - evershelf_spool_events_dead - evershelf_spool_events_pending)",
               "accepted = stored + dead + pending at every moment: 0."),
    ),
    (
        graph("Events by status", PER_SECOND, rate("evershelf_events_total", "status")),
        graph("Events answered 503", PER_SECOND, rate("evershelf_events_refused_total", "instance")),
        graph("Events waiting in the spool", COUNT, each("evershelf_spool_events_pending")),
    ),
    (
        graph("Accepted and stored", PER_SECOND,
              ("sum(rate(evershelf_spool_events_accepted[$__rate_interval]))", "accepted"),
              ("sum(rate(evershelf_spool_events_stored[$__rate_interval]))", "stored"),
              ("sum(rate(evershelf_spool_events_dead[$__rate_interval]))", "dead")),
        graph("Database reached", COUNT, each("evershelf_database_up")),
    ),
    (
        graph("Batches in a row not taken", COUNT, each("evershelf_shipping_failures_in_a_row")),
        graph("Spool commits failed", PER_SECOND, rate("evershelf_spool_failures", "instance")),
        graph("Decisions dropped, and answers beyond the recorded rate", PER_SECOND,
              ("sum(rate(evershelf_decisions_dropped[$__rate_interval]))", "dropped"),
              ("sum(rate(evershelf_decisions_passed_over[$__rate_interval]))", "beyond the rate")),
    ),
)  # fmt: skip

DASHBOARDS = {"promise": PROMISE, "resilience": RESILIENCE, "models": MODELS, "data": DATA}


def render(name: str) -> str:
    """The text of `<name>.json`; the same on every machine."""
    rows, panels, top = DASHBOARDS[name], [], 0
    for row in rows:
        height = FIGURE_HEIGHT if row[0].kind == "stat" else GRAPH_HEIGHT
        width = GRID_WIDTH // len(row)
        for column, panel in enumerate(row):
            place = {"x": column * width, "y": top, "w": width, "h": height}
            panels.append({"id": len(panels) + 1, "gridPos": place} | _panel(panel))
        top += height
    return json.dumps(_dashboard(name, panels), indent=2) + "\n"


def _panel(panel: Panel) -> dict[str, Any]:
    targets = [
        {"refId": chr(ord("A") + number), "expr": expression, "legendFormat": legend, "instant": panel.kind == "stat"}
        for number, (expression, legend) in enumerate(panel.series)
    ]
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.means,
        "datasource": DATASOURCE,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": targets,
    }


def _dashboard(name: str, panels: list[dict[str, Any]]) -> dict[str, Any]:
    variables = [{"name": "datasource", "type": "datasource", "query": "prometheus"}]
    if name == "promise":
        variables.append(_choice("placement", "label_values(evershelf_answers_total, placement)"))
    alerts = {
        "name": "Alerts",
        "datasource": DATASOURCE,
        "enable": True,
        "iconColor": "red",
        "expr": 'ALERTS{alertname=~"Evershelf.*",alertstate="firing"}',
        "titleFormat": "{{alertname}}",
        "textFormat": "{{instance}}",
    }
    return {
        "uid": f"evershelf-{name}",
        "title": f"Evershelf: {name}",
        "tags": ["evershelf"],
        "schemaVersion": 39,
        "editable": False,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": variables},
        "annotations": {"list": [alerts]},
        "links": [{"type": "dashboards", "tags": ["evershelf"], "title": "Evershelf", "keepTime": True}],
        "panels": panels,
    }


def _choice(name: str, query: str) -> dict[str, Any]:
    return {
        "name": name,
        "type": "query",
        "datasource": DATASOURCE,
        "query": query,
        "refresh": 2,  # whenever the time range changes
        "includeAll": True,
        "allValue": ".*",
        "multi": True,
        "current": {"text": "All", "value": "$__all"},
    }


def main() -> int:
    """Writes the files, or says which are stale; the exit code is 1 then."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing")
    check = parser.parse_args().check
    stale = False
    for name in DASHBOARDS:
        path, text = FOLDER / f"{name}.json", render(name)
        if check and (not path.exists() or path.read_text() != text):
            stale = True
            sys.stderr.write(f"{path.name} is stale: make dashboards\n")
        elif not check:
            path.write_text(text)
    return int(stale)


if __name__ == "__main__":
    sys.exit(main())
