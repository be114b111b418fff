"""The page of proofs: every promise has its test there, the tests and planted bugs that it names exist; and G23."""

import re
from pathlib import Path

import pytest

from evershelf.simulation.plants import PLANTS
from tests.drills import test_assess, test_longer_runs

TESTS = Path(__file__).resolve().parent
SOURCE = TESTS.parent / "src" / "evershelf"
PAGE = (TESTS.parent / "docs" / "concepts" / "proof.md").read_text()
PROMISES = {f"G{number}" for number in range(1, 29)} - {"G19", "G20"}
ROWS = {row[0]: row[1:] for row in re.findall(r"^\| (G\d+) \| ([^|]*::[^|]*) \| ([^|]*) \|$", PAGE, re.MULTILINE)}
NAMED_TEST = re.compile(r"([\w/]+\.py)::(\w+)")
# What makes code out of bytes. The simulation sends its own seeds between its own processes.
EXECUTABLE = re.compile(
    r"^\s*(?:import|from)\s+(?:pickle|_pickle|cPickle|dill|cloudpickle|joblib|marshal|shelve)\b|allow_pickle\s*=\s*True"
    r"|torch\.load|yaml\.(?:unsafe_)?load\b|(?<![\w.])(?:eval|exec)\(",
    re.MULTILINE,
)


def test_every_promise_has_a_row():
    # Promise: the table is whole.
    assert ROWS.keys() == PROMISES


@pytest.mark.parametrize("promise", sorted(PROMISES, key=lambda name: int(name[1:])))
def test_what_the_row_names_exists(promise):
    # Promise: who follows the page from a promise finds the test, and the bug that it was seen to find.
    named = NAMED_TEST.findall(" ".join(ROWS[promise]))
    assert named
    for path, name in named:
        assert re.search(rf"^(?:async )?def {name}\(", (TESTS / path).read_text(), re.MULTILINE), (path, name)
    bugs = ROWS[promise][1]
    for plant in re.findall(r"`([a-z-]+)`", bugs):
        assert promise in {each.guarantee for each in PLANTS if each.name == plant}, plant
    planted = test_assess.PLANTED | test_longer_runs.PLANTED
    for bug in re.findall(r'"([^"]+)"', bugs):
        assert planted[bug][0] == promise, bug
    assert bugs != "none yet"  # a check that was never seen to fail proves nothing


def test_nothing_executable_is_read():
    # Promise (G23): no module of ours can make code out of bytes.
    found = [str(path) for path in SOURCE.rglob("*.py") if EXECUTABLE.search(path.read_text())]
    assert not found


@pytest.mark.parametrize(
    "line", ["import pickle", "from joblib import load", "np.load(f, allow_pickle=True)", "x = eval(y)"]
)
def test_an_import_of_pickle_is_found(line):
    # The check is checked.
    assert EXECUTABLE.search(line)
