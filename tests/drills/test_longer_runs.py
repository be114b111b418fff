"""The longer runs are judged: a good one passes, and each planted violation is told by its guarantee."""

from dataclasses import replace

import pytest

from evershelf.contracts.recommendations import Reason
from evershelf.drills.alone import AloneReport
from evershelf.drills.figures import Figures
from evershelf.drills.kill_loop import KillReport
from evershelf.drills.overload import OverloadReport, Step, in_time_share
from evershelf.drills.soak import SoakReport, slope_mb_per_hour
from evershelf.drills.watch import Look
from tests.drills.observed import observed

MB = 2**20
GOOD: Figures = replace(observed().phases.before, requests=10_000)
BAD = replace(GOOD, exceptions={"RESET": 1})
FAR_TOO_LATE = replace(GOOD, far_too_late=1)
LATE = replace(GOOD, late=11)
SOAK = SoakReport(
    1_200.0, ["inference-dead"], [], GOOD, 200 * MB, 210 * MB, 300 * MB, 12.0, 60, 64, 500, 0, 1_100, 0, crashed=False
)
ALONE = AloneReport(600.0, 1.1, GOOD, GOOD, GOOD, 0, 200 * MB, 5.0, 500, 0, 0, 0)
KILLS = KillReport(180, 20, 600.0, 10_000, 9_000, 1_000, 0, 0, 500, 0, 2.0)
STEP = Step(2.0, 1_000.0, 0.995, 0.99, 480.0, 475.0, GOOD)
OVERLOAD = OverloadReport(
    500.0, [STEP], replace(STEP, times_peak=12.0), 390.0, 380.0, 200 * MB, 210 * MB, crashed=False
)
PLANTED = {
    "a soak with a request unanswered": ("G1", replace(SOAK, figures=BAD)),
    "a soak that is late": ("G2", replace(SOAK, figures=LATE)),
    "a soak with an answer far too late": ("G2", replace(SOAK, figures=FAR_TOO_LATE)),
    "a leak": ("G8", replace(SOAK, memory_slope_mb_per_hour=61.0)),
    "an event lost in a soak": ("G9", replace(SOAK, lost=1)),
    "books of a soak": ("G11", replace(SOAK, unbalanced=1)),
    "descriptors that stay open": ("G25", replace(SOAK, descriptors_last=93)),
    "too much memory in a soak": ("G25", replace(SOAK, memory_max_bytes=513 * MB)),
    "a fault that was not felt": ("drill", replace(SOAK, not_felt=["inference-dead"])),
    "a gateway that died in a soak": ("the gateway", replace(SOAK, crashed=True)),
    "a slow start": ("G8", replace(ALONE, ready_s=2.1)),
    "answers that become slower": ("G8", replace(ALONE, last=replace(GOOD, p50_ms=GOOD.p50_ms + 6))),
    "memory that grows alone": ("G8", replace(ALONE, memory_slope_mb_per_hour=61.0)),
    "a model that cannot be": ("G5", replace(ALONE, from_model=1)),
    "a request that only it did not answer": ("G1", replace(ALONE, all=BAD)),
    "events refused without need": ("G12", replace(ALONE, refused=1)),
    "an event lost alone": ("G9", replace(ALONE, lost=1)),
    "an event lost by a kill": ("G9", replace(KILLS, lost=1)),
    "an event that a kill stored twice": ("G10", replace(KILLS, stored_twice=1)),
    "books after a kill": ("G11", replace(KILLS, unbalanced=1)),
    "kills that nothing was acknowledged between": ("drill", replace(KILLS, acknowledged=0)),
    "too few in time": ("G13", replace(OVERLOAD, steps=[replace(STEP, in_time_share=0.98)])),
    "too few from the model": ("G13", replace(OVERLOAD, steps=[replace(STEP, model_per_s=470.0)])),
    "an exception under overload": ("G13", replace(OVERLOAD, steps=[replace(STEP, figures=BAD)])),
    "memory that grows with the load": ("G13", replace(OVERLOAD, memory_max_bytes=221 * MB)),
    "a crash under overload": ("G13", replace(OVERLOAD, crashed=True)),
    "a gateway that does not recover": ("G14", replace(OVERLOAD, goodput_after_per_s=370.0)),
    "interactive traffic that gives way to bulk": ("G18", replace(OVERLOAD, bulk=replace(STEP, in_time_share=0.98))),
}


@pytest.mark.parametrize("good", [SOAK, ALONE, KILLS, OVERLOAD], ids=["soak", "alone", "kill-loop", "overload"])
def test_a_good_run_passes(good):
    # Promise: no false alarm.
    assert good.passed, good.broken


@pytest.mark.parametrize(("guarantee", "told"), PLANTED.values(), ids=PLANTED)
def test_a_planted_violation_is_told(guarantee, told):
    # Promise: each check fires on what it is there for, and on that alone.
    assert [each[: len(guarantee)] for each in told.broken] == [guarantee]
    assert not told.passed


def test_the_slope_of_a_short_run_is_not_held_against_it():
    # Promise: while caches fill, memory grows; ten minutes tell a leak from that.
    assert replace(SOAK, seconds=100.0, memory_slope_mb_per_hour=900.0).passed
    assert replace(ALONE, seconds=100.0, memory_slope_mb_per_hour=900.0).passed


def test_memory_is_measured_after_the_warm_up():
    # Promise: the line is laid through the later two thirds; a mebibyte a minute is sixty an hour.
    def look(at_s: float, mib: float) -> Look:
        return Look(at_s, int(mib * MB), 60, 0.0, 0.0, 0.0, 0.0)

    filling = [look(second, 100 + second) for second in range(60)]
    steady = [look(60 + second, 160 + second / 60) for second in range(120)]
    assert slope_mb_per_hour([*filling, *steady]) == pytest.approx(60, rel=0.01)
    assert slope_mb_per_hour(filling[:1]) == 0.0


def test_goodput_counts_whole_answers_in_time():
    # Promise: an exception, an invalid answer and a late one are each no goodput; an answer by any source is.
    told = replace(GOOD, exceptions={"RESET": 50}, faults={"an item twice": 30}, late=20)
    assert told.reasons.get(str(Reason.PERSONALIZED))
    assert in_time_share(told) == pytest.approx(0.99)
