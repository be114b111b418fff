"""`evershelf bench`: programs that tell in one form, a report of which targets are met, and failures that show."""

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from evershelf.cli.bench_program import judged

ROOT = Path(__file__).resolve().parents[2]
TOLD = {
    "bench": "serve",
    "rows": [
        {"variant": name, "items": items, "history": 10, "concurrency": 64, "gateway_us": 140.0, "inference_us": 70.0}
        for name in ("evershelf", "no hop") for items in (10_000, 100_000)
    ],
    "targets": [
        {"what": what, "limit": limit, "unit": unit, "measured": measured, "at_least": at_least, "note": "",
         "verdict": verdict}
        for what, limit, unit, measured, at_least, verdict in (
            ("gateway CPU", 150, "us", 140.0, False, "met"),
            ("rate", 10, "x", 9.5, True, "missed"),
            ("growth", 1.5, "x", None, False, "not measured"),
            ("memory", 300, "MiB", 310.0, False, "too noisy to tell"),
        )
    ],
    "noisy": ["evershelf, 64"],
    "notes": ["a note"],
    "ended_s": 1_800_000_000.0,
}  # fmt: skip
OVERLOAD = {
    "bench": "overload",
    "rows": [
        {"offered_per_s": rate, "p50_ms": 2.0, "p99_ms": rate / 10, "max_ms": 1_000.0, "in_time_per_s": rate,
         "model_per_s": 300.0}
        for rate in (300.0, 3_000.0)
    ],
    "targets": [], "noisy": [], "notes": [], "others_share": 0.3, "ended_s": 1_800_000_000.0,
}  # fmt: skip


def run(*arguments: str, **given: object) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, *arguments], text=True, capture_output=True, cwd=ROOT, check=False, **given)


def test_one_benchmark_tells_its_figures_and_targets_as_json(tmp_path):
    # Promise: the verb runs the program, and what it prints is JSON with rows, targets and verdicts.
    done = run("-m", "evershelf.cli", "bench", "baseline", "--form", "smoke", "--json", "--out", str(tmp_path))
    assert done.returncode == 0, done.stderr
    (told,) = json.loads(done.stdout)
    assert {row["user"] for row in told["rows"]} == {"known", "unknown", "hiding"}
    assert all(row["cpu_us"] > 0 for row in told["rows"])
    assert told["targets"] == []  # tiny sizes decide nothing


def test_what_the_time_cuts_off_is_left_out_and_named_and_nothing_has_failed(tmp_path):
    # Promise: a program still at work when the minutes are over is no failure; its note says why it tells nothing.
    done = run("-m", "evershelf.cli", "bench", "baseline", "--form", "long", "--minutes", "0.1", "--json",
               "--out", str(tmp_path))  # fmt: skip
    assert done.returncode == 0, done.stderr
    (told,) = json.loads(done.stdout)
    assert told["rows"] == []
    assert "error" not in told
    assert "the time was over" in told["notes"][0]


def test_the_report_names_every_target_with_its_verdict_and_draws_plots(tmp_path):
    # Promise: met, missed and not measured are told apart, with when each was measured (not written); a noisy variant
    # is named; plots are sound SVG.
    failed = {"bench": "intake", "error": "it broke", "rows": [], "targets": [], "noisy": [], "notes": []}
    done = run("benchmarks/report.py", str(tmp_path), "short", input=json.dumps([TOLD, OVERLOAD, failed]))
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "report.md").read_text()
    assert "| serve | gateway CPU: at most 150 us | 140 us | yes | 2027-01-15 08:00 UTC, short |" in text
    assert "| serve | rate: at least 10 x | 9.5 x | **no** | 2027-01-15 08:00 UTC, short |" in text
    assert "| serve | growth: at most 1.5 x |  | not measured | 2027-01-15 08:00 UTC, short |" in text
    assert "| serve | memory: at most 300 MiB | 310 MiB | too noisy to tell | 2027-01-15 08:00 UTC, short |" in text
    assert "too noisy to tell: evershelf, 64" in text
    assert "others used 30% of the machine meanwhile" in text
    assert "Failed: it broke" in text
    for name in ("latency.svg", "goodput.svg", "growth.svg"):
        assert ET.parse(tmp_path / name).getroot().tag.endswith("svg")
        assert f"({name})" in text
    assert json.loads((tmp_path / "figures.json").read_text())[0] == TOLD


def test_a_benchmark_that_does_not_exist_is_named(tmp_path):
    # Promise: the message lists those that do.
    done = run("-m", "evershelf.cli", "bench", "speed", "--out", str(tmp_path))
    assert done.returncode == 2
    assert "serve" in done.stderr


def test_a_file_is_filled_between_its_marks_and_nowhere_else(tmp_path):
    # Promise: targets and a benchmark's own figures are written anew, as often as wished; what did not run stays, and
    # so do its targets, in the order in which they stood.
    path = tmp_path / "README.md"
    kept = "before\n{}\nbetween\n<!-- bench peers: begin -->\nold\n<!-- bench peers: end -->\nafter\n"
    peers = "| peers | rate: at least 5 x | 5.1 x | yes | 2026-11-30 12:19 UTC, long |"
    rows = f"| serve | rate: at least 10 x | 1 x | **no** | long ago |\n{peers}\n"
    failed = {"bench": "peers", "error": "it broke", "rows": [], "targets": [], "noisy": [], "notes": []}
    path.write_text(kept.format(f"<!-- bench targets: begin -->\nold\n\n{rows}<!-- bench targets: end -->"))
    for _ in range(2):
        done = run("benchmarks/report.py", str(tmp_path), "short", str(path), input=json.dumps([failed, TOLD]))
        assert done.returncode == 0, done.stderr
        before, _, rest = path.read_text().partition("<!-- bench targets: begin -->\n")
        table, _, after = rest.partition("<!-- bench targets: end -->")
        assert before == "before\n"
        assert after == kept.partition("{}")[2]
        lines = table.splitlines()
        rate = lines.index("| serve | rate: at least 10 x | 9.5 x | **no** | 2027-01-15 08:00 UTC, short |")
        assert lines.index(peers) > rate
        assert "old" not in lines
        assert "long ago" not in table


ROGUE = """
import json, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
open({path!r}, "w").write(str(child.pid))
{then}
"""


@pytest.mark.parametrize("then", ["time.sleep(600)", "sys.exit('it broke')", "print('{\\n')"])
def test_a_failing_program_is_told_of_and_leaves_no_process_behind(tmp_path, then):
    # Promise: whether it hangs, breaks or prints nonsense, what it started in a session of its own is ended too.
    program, left = tmp_path / "rogue.py", tmp_path / "pid"
    program.write_text(ROGUE.format(path=str(left), then=then))
    code = f"""
from pathlib import Path
from evershelf.cli.bench_program import BenchFailedError, run_program
try:
    run_program(Path({str(program)!r}), "smoke", seconds_max=5.0)
except BenchFailedError as error:
    print(error)
"""
    done = run("-c", code)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() in {"it took longer than 5 s", "it broke", "it printed no JSON"}
    assert not Path(f"/proc/{left.read_text()}").exists()


@pytest.mark.parametrize(("others", "verdict"), [(0.0, "met"), (0.5, "too noisy to tell")])
def test_a_machine_that_others_use_decides_nothing(others, verdict):
    # Promise: above a tenth of all cores nothing is decided, whatever was measured; what was not measured stays so.
    targets = [{"measured": 1.0, "verdict": "met"}, {"measured": None, "verdict": "not measured"}]
    assert [each["verdict"] for each in judged(targets, others)] == [verdict, "not measured"]


@pytest.mark.parametrize(
    ("rounds", "verdict"),
    [
        ((4.0, 5.1, 9.0), "too noisy to tell"),  # rounds disagree, and by much
        ((4.9, 5.1, 5.2), "met"),  # they disagree by little: the median decides
        ((5.5, 8.0, 20.0), "met"),  # they differ by much, and all keep it
        ((1.0, 2.0, 4.0), "missed"),
    ],
)
def test_a_target_is_left_open_where_rounds_disagree_by_much(rounds, verdict):
    # Promise: the median of the rounds' own ratios is told, and the verdict is open only where noise decides it.
    code = f"""
from told import Told
told = Told("made up")
ours = told.add_rounds({{"service": "ours"}}, [{{"per_s": each}} for each in {rounds}], "per_s")
peer = told.add_rounds({{"service": "peer"}}, [{{"per_s": 1.0}}] * 3, "per_s")
told.judge("ratio", 5, "x", lambda own, other: own["per_s"] / other["per_s"], ours, peer, at_least=True)
print(told.targets[0].measured, told.targets[0].verdict)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], text=True, capture_output=True, cwd=ROOT / "benchmarks", check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == f"{sorted(rounds)[1]} {verdict}"


def test_a_sample_belongs_to_the_innermost_file_of_ours():
    # Promise: what libraries do for us is put down to us, and waiting for sockets to nobody.
    code = """
from hotspots import place
server = ["main (evershelf/gateway/__main__.py:9)", "run (uvicorn/server.py:70)"]
loop = [*server, "run (asyncio/runners.py:118)"]
print(place(loop), place([*loop, "answer (evershelf/gateway/front.py:3)", "dumps (orjson/__init__.py:1)"]),
      place([*loop, "send (uvicorn/protocols/http/httptools_impl.py:5)"]), sep="; ")
"""
    done = subprocess.run(
        [sys.executable, "-c", code], text=True, capture_output=True, cwd=ROOT / "benchmarks", check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == (
        "event loop, sockets, kernel; gateway/front.py; uvicorn/protocols/http/httptools_impl.py"
    )
