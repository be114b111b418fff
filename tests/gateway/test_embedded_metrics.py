"""The log tells CloudWatch what happened since the line before, by its own format and at no answer's cost."""

import re
from pathlib import Path

from structlog.testing import capture_logs

from evershelf.contracts.recommendations import Reason, Source
from evershelf.gateway.embedded_metrics import EVENT, FIGURES, EmbeddedMetrics, read
from evershelf.gateway.outside import Clock
from evershelf.gateway.telemetry import GAUGES, Telemetry
from tests.gateway.gateway_world import eventually, open_world, valid

ROOT = Path(__file__).resolve().parents[2]
UNITS = {"Count", "Seconds", "None"}


def answer(telemetry: Telemetry, *, degraded: bool = False, elapsed_s: float = 0.01) -> None:
    telemetry.answered(
        "home", Source.MODEL, Reason.PERSONALIZED, degraded=degraded, elapsed_s=elapsed_s, deadline_s=0.15
    )


def told(metrics: EmbeddedMetrics) -> dict[str, object]:
    with capture_logs() as lines:
        metrics.tell()
    return lines[0]


def test_a_line_holds_what_is_new_since_the_one_before():
    # Promise: sums over lines are sums of what happened; gauges stand as they are.
    telemetry, age_s = Telemetry(), [10.0]
    telemetry.watch(lambda: {"evershelf_snapshot_age_seconds": age_s[0]})
    metrics = EmbeddedMetrics(60.0, telemetry, Clock())
    answer(telemetry)
    answer(telemetry, degraded=True, elapsed_s=0.2)
    first = told(metrics)
    answer(telemetry)
    age_s[0] = 70.0
    second = told(metrics)
    names = ("Answers", "DegradedAnswers", "LateAnswers", "SnapshotAge")
    assert [first[name] for name in names] == [2, 1, 1, 10.0]
    assert [second[name] for name in names] == [1, 0, 0, 70.0]


def test_a_line_is_in_the_format():
    # Promise: every metric that is announced stands in the line with a unit that CloudWatch knows; nothing else does.
    line = told(EmbeddedMetrics(60.0, Telemetry(), Clock()))
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert isinstance(line["_aws"]["Timestamp"], int)
    assert directive["Dimensions"] == [["Service"]]
    assert isinstance(line["Service"], str)
    assert {metric["Unit"] for metric in directive["Metrics"]} <= UNITS
    assert all(isinstance(line[metric["Name"]], int | float) for metric in directive["Metrics"])
    assert len(directive["Metrics"]) <= 100


def test_every_figure_reads_a_metric_that_exists():
    # Promise: no alarm waits for what is never told.
    telemetry = Telemetry()
    telemetry.watch(lambda: dict.fromkeys(GAUGES, 1.0))
    names = {sample.name for family in telemetry.families() for sample in family.samples}
    answer(telemetry)
    names |= {sample.name for family in telemetry.families() for sample in family.samples}
    assert {figure.sample for figure in FIGURES} <= names
    assert set(read(telemetry.families())) == {figure.name for figure in FIGURES}


async def test_a_figure_that_cannot_be_read_ends_neither_the_lines_nor_the_gateway():
    # Promise: what a reader of a gauge raises is counted, and the next line comes; closing does not raise it either.
    telemetry, ages_s = Telemetry(), iter([ValueError, 5.0, ValueError])

    def age() -> dict[str, float]:
        if (found := next(ages_s, ValueError)) is ValueError:
            raise ValueError
        return {"evershelf_snapshot_age_seconds": found}

    metrics = EmbeddedMetrics(0.001, telemetry, Clock())
    with capture_logs() as lines:
        await metrics.start()
        telemetry.watch(age)

        async def told_again() -> bool:
            return telemetry.caught_total("embedded_metrics") > 1

        await eventually(told_again)
        await metrics.close()
    assert 5.0 in [line.get("SnapshotAge") for line in lines]


async def test_a_gateway_writes_its_last_line_when_it_ends(postgres, tmp_path):
    # Promise: what came since the last line is not lost with the process; without the setting there is none.
    for every_s, lines_wanted in ((3_600.0, 1), (None, 0)):
        with capture_logs() as lines:
            async with open_world(postgres.url, tmp_path / str(every_s), gateway_emf_interval_s=every_s) as world:
                valid(await world.client.get("/v1/popular"))
        found = [line for line in lines if line["event"] == EVENT]
        assert len(found) == lines_wanted
        assert all(line["Answers"] == 1 for line in found)


def test_what_the_alarms_in_aws_read_is_told():
    # Promise: whatever Terraform's alarms read of the namespace Evershelf, a line of a gateway tells.
    told_in = (ROOT / "deploy" / "aws" / "modules" / "monitoring" / "main.tf").read_text()
    read_there = set(re.findall(r'= \["(\w+)", "(?:Sum|Maximum|Minimum)"\]', told_in))
    assert len(read_there) >= 9
    assert read_there <= {figure.name for figure in FIGURES}
    assert 'dimensions  = { Service = "gateway" }' in told_in
