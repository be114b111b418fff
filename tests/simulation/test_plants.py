"""The checks are checked: every planted bug makes the check of its promise fail, and without it all are silent."""

import re
from pathlib import Path

import pytest

from evershelf.simulation.faults import Happening
from evershelf.simulation.plants import NOTHING, PLANTS
from evershelf.simulation.run import run_seed

PAGE = Path(__file__).resolve().parents[2] / "docs" / "concepts" / "proof.md"
PROMISES = {
    "G1",
    "G2",
    "G3",
    "G4",
    "G5",
    "G6",
    "G7",
    "G8",
    "G9",
    "G10",
    "G11",
    "G12",
    "G14",
    "G15",
    "G16",
    "G17",
    "G22",
    "G24",
    "G28",
}
SEED = 7


def happenings(plant) -> list[Happening]:
    return [Happening(plant.fault, 5.0, 11.0)] if plant.fault is not None else []


def test_without_a_bug_no_check_fires(template):
    # The seed and the faults of the plants are no trouble by themselves.
    for fault in {plant.fault for plant in PLANTS}:
        plant = next(plant for plant in PLANTS if plant.fault is fault)
        assert not run_seed(SEED, template, plant=NOTHING, happenings=happenings(plant)).violations


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.name)
def test_a_planted_bug_is_found(template, plant):
    # Promise: the check of this guarantee notices when it is broken.
    report = run_seed(SEED, template, plant=plant, happenings=happenings(plant))
    assert plant.guarantee in {violation.guarantee for violation in report.violations}


def test_every_simulated_promise_has_a_planted_bug():
    # Promise: no check is trusted that was never seen to fire.
    assert {plant.guarantee for plant in PLANTS} == PROMISES


def test_the_page_lists_the_planted_bugs():
    # Promise: the table in the docs is the table in the code.
    rows = re.findall(r"^\| (G\d+) \| `([a-z-]+)` \| (.+?) \|$", PAGE.read_text(), flags=re.MULTILINE)
    assert sorted(rows) == sorted((plant.guarantee, plant.name, plant.bug) for plant in PLANTS)
