"""A report says what was seen, and the README's table is written from it between two marks."""

import json
from dataclasses import replace

import pytest

from evershelf.drills.assess import Broken
from evershelf.drills.kill_loop import KillReport
from evershelf.drills.report import BEGIN, END, NoMarksError, Skipped, as_fields, markdown, readme, write
from evershelf.drills.row import Component
from evershelf.drills.run import Options, RowReport
from tests.drills.observed import observed

COMMAND = "evershelf drill run inference-dead --rate 100 --seconds 8"


def report(*, passed: bool = True) -> RowReport:
    phases = observed().phases
    return RowReport(
        "inference-dead", Component.INFERENCE, "`kill -9`", passed, [] if passed else [Broken("G2", "3 late")],
        phases.before, phases.fault, phases.after, 0.2, 2.0, 2.0, 50, 0, 0, 1.5, 10**8,
    )  # fmt: skip


def fields(*, passed: bool = True) -> dict[str, object]:
    return as_fields(Options(), [report(passed=passed)], [Skipped("spool-disk-full", "no root")], {}, command=COMMAND)


def test_a_report_is_the_same_after_its_file(tmp_path):
    # Promise: JSON for programs, Markdown for people, both from the same fields.
    told = fields()
    as_json, as_text = write(told, tmp_path / "reports", "all")
    assert json.loads(as_json.read_text()) == json.loads(json.dumps(told))
    assert as_text.read_text() == markdown(json.loads(as_json.read_text()))


def test_the_table_shows_what_callers_got():
    # Promise: requests, what was wrong, sources and reasons with their shares, times.
    (line,) = [line for line in markdown(fields()).splitlines() if line.startswith("| inference")]
    assert "| 100 | 0 | 0 | `related` 100 % | `circuit_open` 98 %, `inference_unavailable` 2 % |" in line
    assert line.endswith("| 0.2 s | 2.0 s |")


def test_hundreds_of_pairs_are_told_by_fault():
    # Promise: every scenario counts for each of its faults, and once in the sum.
    pair = replace(report(passed=False), name="inference-dead+postgres-stopped")
    told = as_fields(Options(), [report(), pair], [], {}, command=COMMAND)
    requests = report().fault.requests
    lines = [line for line in markdown(told, brief=True).splitlines() if line.startswith("| ")][1:]
    assert [line.split(" | ")[:6] for line in lines] == [
        ["| `inference-dead`", "2", "1", str(2 * requests), "0", "0"],
        ["| `postgres-stopped`", "1", "0", str(requests), "0", "0"],
        ["| all, each once", "2", "1", str(2 * requests), "0", "0"],
    ]
    assert "- `inference-dead+postgres-stopped`: G2: 3 late" in markdown(told, brief=True)


def test_what_was_broken_or_skipped_is_said():
    # Promise: a broken promise and a scenario that was left out stand in the report by name.
    text = markdown(fields(passed=False))
    assert "- `inference-dead`: G2: 3 late" in text
    assert "- `spool-disk-full`: no root" in text
    assert "None." in markdown(fields())


def test_what_a_longer_run_broke_is_said():
    # Promise: a run without rows is not told as one that kept everything.
    more = {
        "kill_loop": KillReport(
            9, 1, 10.0, 1_000, 100, 0, lost=1, stored_twice=0, looks=50, unbalanced=2, ready_s_max=0.5
        )
    }
    text = markdown(as_fields(Options(), [], [], more, command=COMMAND))
    assert all(f"- `kill_loop`: {each}" in text for each in more["kill_loop"].broken)
    assert "None." not in text


def test_the_readme_gets_its_table_between_the_marks():
    # Promise: what stands around the marks stays; writing twice changes nothing.
    once = readme(fields(), f"# Title\n\n{BEGIN}\nold\n{END}\n\nmore\n")
    assert once.startswith("# Title\n")
    assert once.endswith(f"{END}\n\nmore\n")
    assert "old" not in once
    assert f"`{COMMAND}`" in once
    assert readme(fields(), once) == once
    with pytest.raises(NoMarksError):
        readme(fields(), "no marks")
