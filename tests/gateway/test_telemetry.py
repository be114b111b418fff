"""What is counted is what happened, and what is logged names nobody."""

from typing import get_args

import pytest
from prometheus_client.parser import text_string_to_metric_families
from structlog.testing import capture_logs

from evershelf.contracts.events import EventStatus
from evershelf.contracts.recommendations import Reason, Source
from evershelf.gateway.telemetry import GAUGES, BoundaryName, Telemetry


@pytest.fixture
def telemetry():
    return Telemetry()


def samples(telemetry: Telemetry) -> dict[tuple[str, frozenset], float]:
    families = text_string_to_metric_families(telemetry.exposition().decode())
    return {(s.name, frozenset(s.labels.items())): s.value for family in families for s in family.samples}


def total(telemetry: Telemetry, name: str, **labels: str) -> float:
    wanted = frozenset(labels.items())
    return sum(value for (found, have), value in samples(telemetry).items() if found == name and wanted <= have)


def answer(telemetry: Telemetry, *, degraded: bool = False, elapsed_s: float = 0.01) -> None:
    telemetry.answered(
        "home", Source.MODEL, Reason.PERSONALIZED, degraded=degraded, elapsed_s=elapsed_s, deadline_s=0.15
    )


def test_the_sum_over_all_labels_is_the_number_of_answers(telemetry):
    # Promise: each answer is counted once, in the counter and in the histogram.
    for degraded in (True, False, False):
        answer(telemetry, degraded=degraded)
    assert total(telemetry, "evershelf_answers_total") == 3
    assert total(telemetry, "evershelf_answers_total", degraded="true") == 1
    assert total(telemetry, "evershelf_answer_duration_seconds_count") == 3


def test_a_deadline_is_missed_only_past_it(telemetry):
    # Promise: an answer at its deadline is in time.
    for elapsed_s in (0.15, 0.1500001):
        answer(telemetry, elapsed_s=elapsed_s)
    assert total(telemetry, "evershelf_deadline_misses_total", placement="home") == 1


def test_every_event_status_is_there_from_the_start(telemetry):
    # Promise: a rate can be taken of what has not happened yet.
    assert total(telemetry, "evershelf_events_total") == 0
    telemetry.events_judged(EventStatus.ACCEPTED, 1)
    statuses = {dict(have).get("status") for found, have in samples(telemetry) if found == "evershelf_events_total"}
    assert statuses == set(EventStatus)
    assert total(telemetry, "evershelf_events_total", status="accepted") == 1


def test_what_came_of_asking_inference_is_counted(telemetry):
    # Promise: outcomes are told apart.
    telemetry.inference_called(Reason.PERSONALIZED, 0.01)
    telemetry.inference_called(Reason.INFERENCE_ERROR, 0.02)
    assert total(telemetry, "evershelf_inference_calls_total", reason="inference_error") == 1
    assert total(telemetry, "evershelf_inference_call_duration_seconds_count") == 2


def test_figures_are_read_at_the_scrape(telemetry):
    # Promise: a gauge shows the moment of the scrape, and every gauge can be shown.
    figures = dict.fromkeys(GAUGES, 1.0)
    telemetry.watch(lambda: figures)
    figures["evershelf_spool_events_pending"] = 7.0
    assert total(telemetry, "evershelf_spool_events_pending") == 7
    assert {name for name, _ in samples(telemetry)} >= set(GAUGES)


def test_bugs_are_counted_from_zero(telemetry):
    # Promise: the first bug at a boundary is a step from 0 to 1 that an alert can see, not a series that begins at 1.
    for boundary in get_args(BoundaryName):
        assert f'evershelf_caught_errors_total{{boundary="{boundary}"}} 0.0' in telemetry.exposition().decode()


def test_a_caught_bug_is_counted_and_its_words_are_not_logged(telemetry):
    # Promise: the log says where it happened; the message, which may quote a user, stays out.
    with capture_logs() as lines:
        try:
            int("user-4711")
        except ValueError as error:
            telemetry.caught("request", error)
    (line,) = lines
    assert (line["event"], line["error"], line["boundary"]) == ("error_caught", "ValueError", "request")
    assert "test_telemetry.py" in line["where"][0]
    assert "4711" not in str(line)
    assert total(telemetry, "evershelf_caught_errors_total", boundary="request") == 1
