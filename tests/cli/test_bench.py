"""`evershelf bench`: programs that tell in one form, a report of which targets are met, and failures that show."""

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

ROOT = Path(__file__).resolve().parents[2]
TOLD = {
    "bench": "serve",
    "rows": [
        {"variant": name, "items": 100_000, "history": 10, "concurrency": c, "per_s": c * 10.0, "p50_ms": 2.0,
         "gateway_us": 140.0, "inference_us": 70.0}
        for name in ("evershelf", "no hop") for c in (1, 64)
    ],
    "targets": [
        {"what": what, "limit": limit, "unit": unit, "measured": measured, "at_least": at_least, "note": "", "met": met}
        for what, limit, unit, measured, at_least, met in (
            ("gateway CPU", 150, "us", 140.0, False, True),
            ("rate", 10, "x", 9.5, True, False),
            ("growth", 1.5, "x", None, False, None),
        )
    ],
    "noisy": ["evershelf, 64"],
    "notes": [],
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


def test_the_report_names_every_target_with_its_verdict_and_draws_plots(tmp_path):
    # Promise: met, missed and not measured are told apart; a noisy variant is named; plots are sound SVG.
    failed = {"bench": "intake", "error": "it broke", "rows": [], "targets": [], "noisy": [], "notes": []}
    done = run("benchmarks/report.py", str(tmp_path), "short", input=json.dumps([TOLD, failed]))
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "report.md").read_text()
    assert "| serve | gateway CPU: at most 150 us | 140 us | yes |" in text
    assert "| serve | rate: at least 10 x | 9.5 x | **no** |" in text
    assert "| serve | growth: at most 1.5 x |  | not measured |" in text
    assert "too noisy to tell: evershelf, 64" in text
    assert "Failed: it broke" in text
    for name in ("latency.svg", "growth.svg"):
        assert ET.parse(tmp_path / name).getroot().tag.endswith("svg")
        assert f"({name})" in text
    assert json.loads((tmp_path / "figures.json").read_text())[0] == TOLD


def test_a_benchmark_that_does_not_exist_is_named(tmp_path):
    # Promise: the message lists those that do.
    done = run("-m", "evershelf.cli", "bench", "speed", "--out", str(tmp_path))
    assert done.returncode == 2
    assert "serve" in done.stderr
