"""The alerts fire when they should and only then, have a page each, and name nothing that is not measured."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import promql_parser
import pytest
import yaml

from deploy.observability.grafana import dashboards
from evershelf.gateway.settings import GatewaySettings
from evershelf.gateway.telemetry import GAUGES
from evershelf.gateway.telemetry import Telemetry as GatewayTelemetry
from evershelf.inference.telemetry import Telemetry as InferenceTelemetry

ROOT = Path(__file__).resolve().parents[2]
PROMETHEUS = ROOT / "deploy" / "observability" / "prometheus"
RUNBOOKS = ROOT / "docs" / "runbooks"
RULES = [
    rule
    for group in yaml.safe_load((PROMETHEUS / "evershelf.rules.yaml").read_text())["groups"]
    for rule in group["rules"]
]
ALERTS = {rule["alert"]: rule for rule in RULES if "alert" in rule}
RECORDED = {rule["record"] for rule in RULES if "record" in rule}
CHAPTERS = ["Symptom", "Meaning", "What to do", "How to prove it is over"]
SAMPLES = {"counter": ["_total"], "gauge": [""], "histogram": ["_bucket", "_sum", "_count"]}
# Where `make promtool` puts it, or on PATH.
PROMTOOL = shutil.which("promtool", path=f"{os.environ['PATH']}{os.pathsep}{Path(sys.executable).parent}")
needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="no promtool: run `make promtool`")


def scraped() -> set[str]:
    """The names that the code's own table yields to a scraper, and the scraper's own."""
    families = [family for part in (GatewayTelemetry(), InferenceTelemetry()) for family in part._registry.collect()]
    return {f"{each.name}{end}" for each in families for end in SAMPLES[each.type]} | set(GAUGES) | {"up", "ALERTS"}


def names(expression: str) -> set[str]:
    """The metrics that a PromQL expression reads. Raises ValueError if it is none."""
    found, todo = set(), [promql_parser.parse(expression)]
    while todo:
        node = todo.pop()
        if isinstance(node, promql_parser.VectorSelector):
            found.add(node.name)
        for below in ("lhs", "rhs", "expr", "param", "args", "vector_selector"):
            value = getattr(node, below, None)
            todo += value if isinstance(value, list) else [value] if value is not None else []
    return found


def dashboard_expressions() -> list[tuple[str, str]]:
    return [
        (f"{name}: {panel.title}", expression.replace("$__rate_interval", "5m"))
        for name, rows in dashboards.DASHBOARDS.items()
        for row in rows
        for panel in row
        for expression, _ in panel.series
    ]


def promtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PROMTOOL, *arguments], cwd=PROMETHEUS, capture_output=True, text=True, check=False, timeout=110
    )


@needs_promtool
def test_alerts_fire_and_stay_silent():
    # Promise: in each world of evershelf.rules.test.yaml exactly the alerts fire that should.
    run = promtool("test", "rules", "evershelf.rules.test.yaml")
    assert run.returncode == 0, run.stdout + run.stderr


@needs_promtool
def test_prometheus_takes_the_example_configuration():
    # Promise: the example of a scrape configuration is one, rules included.
    run = promtool("check", "config", "prometheus.yaml")
    assert run.returncode == 0, run.stdout + run.stderr


@needs_promtool
def test_a_rule_that_is_wrong_is_found(tmp_path):
    # Promise: the worlds are real tests: an alert with another limit fails them.
    rules = (PROMETHEUS / "evershelf.rules.yaml").read_text()
    (tmp_path / "evershelf.rules.yaml").write_text(rules.replace("share5m > 0.05", "share5m > 0.5"))
    worlds = yaml.safe_load((PROMETHEUS / "evershelf.rules.test.yaml").read_text())
    worlds["tests"] = [world for world in worlds["tests"] if world["name"].startswith("EvershelfDegraded")]
    (tmp_path / "test.yaml").write_text(yaml.safe_dump(worlds))
    assert promtool("test", "rules", str(tmp_path / "test.yaml")).returncode == 1


def test_every_alert_has_a_world_where_it_fires_and_one_where_it_is_over():
    # Promise: no alert stays untested.
    worlds = yaml.safe_load((PROMETHEUS / "evershelf.rules.test.yaml").read_text())["tests"]
    seen: dict[str, set[bool]] = {alert: set() for alert in ALERTS}
    for world in worlds:
        for check in world.get("promql_expr_test", []):
            if "ALERTS" in check["expr"]:
                firing = " ".join(sample["labels"] for sample in check["exp_samples"])
                for alert, states in seen.items():
                    if alert in world["name"]:
                        states.add(f'"{alert}"' in firing)
    assert {alert: states for alert, states in seen.items() if states != {True, False}} == {}


def test_alerts_and_runbooks_are_the_same_set():
    # Promise: each alert points to its page, each page has its alert.
    assert {page.stem for page in RUNBOOKS.glob("*.md")} == set(ALERTS)
    assert all(rule["annotations"]["runbook_url"] == f"docs/runbooks/{alert}.md" for alert, rule in ALERTS.items())
    assert {rule["labels"]["severity"] for rule in ALERTS.values()} == {"page", "ticket"}


@pytest.mark.parametrize("alert", ALERTS)
def test_a_runbook_says_what_it_must(alert):
    # Promise: every page has the same four chapters, none of them empty.
    title, *chapters = (RUNBOOKS / f"{alert}.md").read_text().split("\n## ")
    assert title.strip() == f"# {alert}"
    assert [chapter.split("\n", 1)[0] for chapter in chapters] == CHAPTERS
    assert all(len(chapter.split("\n", 1)[1].strip()) > 30 for chapter in chapters)


def test_the_guide_lists_every_alert():
    # Promise: the table of docs/guides/monitoring.md is whole, and says who is woken.
    rows = (ROOT / "docs" / "guides" / "monitoring.md").read_text().splitlines()
    listed = {
        row.split("[", 1)[1].split("]")[0]: row.split("|")[2].strip() for row in rows if row.startswith("| [Ever")
    }
    assert listed == {alert: rule["labels"]["severity"] for alert, rule in ALERTS.items()}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.get("alert") or rule["record"])
def test_rules_read_only_what_is_measured(rule):
    # Promise: every name in a rule is one that the code exposes or an earlier rule records.
    assert names(rule["expr"]) <= scraped() | RECORDED


@pytest.mark.parametrize(("panel", "expression"), dashboard_expressions())
def test_dashboards_read_only_what_is_measured(panel, expression):
    # Promise: every expression of a dashboard parses, and names what exists.
    assert names(expression)
    assert names(expression) <= scraped() | RECORDED, panel


def test_dashboards_leave_no_metric_out():
    # Promise: what is measured can be looked at.
    shown = set().union(*(names(expression) for _, expression in dashboard_expressions()))
    families = {name.removesuffix("_bucket") for name in shown} | {"evershelf_spool_events_accepted"}
    recorded = set().union(*(names(rule["expr"]) for rule in RULES))
    measured = {name for name in scraped() if not name.endswith(("_sum", "_count", "_bucket"))}
    assert measured - families - recorded - {"ALERTS"} == set()


@pytest.mark.parametrize("name", dashboards.DASHBOARDS)
def test_dashboard_files_are_fresh(name):
    # Promise: the JSON in the repository is what the program writes.
    assert (dashboards.FOLDER / f"{name}.json").read_text() == dashboards.render(name)


def test_alerts_count_on_the_limits_that_the_settings_have():
    # Promise: objective and spool limit in the rules are the defaults of the settings.
    fields = GatewaySettings.model_fields
    budget = 1 - fields["gateway_objective_share"].default
    assert f"{budget:.3f}" == "0.001"
    assert ALERTS["EvershelfPromiseBurnsFast"]["expr"].count("* 0.001") == 4
    assert f"* {fields['gateway_spool_events_max'].default}" in ALERTS["EvershelfSpoolNearlyFull"]["expr"]
