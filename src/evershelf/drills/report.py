"""Reports: a run as JSON for programs, as Markdown for people, and as the table in the README between two marks."""

import json
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, is_dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from evershelf.drills.run import Options, RowReport

BEGIN = "<!-- drills: begin. Generated: evershelf drill report RUN.json --readme README.md -->"
END = "<!-- drills: end -->"
REASONS_SHOWN = 3
Fields = Mapping[str, Any]  # Any: JSON, whose shape `as_fields` gives it


class NoMarksError(Exception):
    """The file has no place for the table: two lines mark it."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """A scenario that this machine does not allow, and why."""

    name: str
    why: str


def as_fields(
    options: Options,
    reports: Sequence[RowReport],
    skipped: Sequence[Skipped],
    more: Mapping[str, object],
    *,
    command: str,
) -> dict[str, Any]:  # Any: JSON
    """A run as JSON knows it. `command` is what was typed; `more` holds the reports of the longer runs by name."""
    longer = {
        name: asdict(told) | {"passed": getattr(told, "passed", None), "broken": getattr(told, "broken", [])}
        for name, told in more.items()
        if is_dataclass(told) and not isinstance(told, type)
    }
    return {
        "format": 1,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {"cores": os.cpu_count(), "system": platform.system(), "python": platform.python_version()},
        "commit": _commit(),
        "command": command,
        "options": asdict(options),
        "rows": [{**asdict(report), "broken": [str(each) for each in report.broken]} for report in reports],
        "skipped": [asdict(each) for each in skipped],
        **longer,
    }


def write(fields: Fields, folder: Path, name: str) -> tuple[Path, Path]:
    """Writes NAME.json and NAME.md into a folder, and returns both paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = folder / f"{name}.json", folder / f"{name}.md"
    paths[0].write_text(json.dumps(fields, indent=1) + "\n")
    paths[1].write_text(markdown(fields))
    return paths


def markdown(fields: Fields, *, brief: bool = False) -> str:
    """The whole run for people: a table of rows, what was broken, what was skipped, and the longer runs.

    `brief`: a row of the table is a fault with all scenarios that it was part of, for hundreds of pairs.
    """
    shown = table_of_faults(fields["rows"]) if brief else table(fields["rows"])
    lines = [f"# Drill of {fields['at']}", "", how(fields), "", *shown, ""]
    longer = {name: told for name, told in fields.items() if isinstance(told, Mapping) and "broken" in told}
    broken = [f"- `{row['name']}`: {each}" for row in fields["rows"] for each in row["broken"]]
    broken += [f"- `{name}`: {each}" for name, told in longer.items() for each in told["broken"]]
    lines += ["## Broken promises", "", *(broken or ["None."]), ""]
    if fields.get("earlier"):
        lines += ["## Broken in an earlier run of the same scenario", ""]
        lines += [f"- `{run['name']}`, {run['at']}: {'; '.join(run['broken'])}" for run in fields["earlier"]]
        lines += [""]
    if fields["skipped"]:
        lines += ["## Not injected on this machine", ""]
        lines += [f"- `{each['name']}`: {each['why']}" for each in fields["skipped"]]
        lines += [""]
    for name, told in longer.items():
        lines += [f"## {name.replace('_', ' ').capitalize()}", "", "```json", json.dumps(told, indent=1), "```", ""]
    return "\n".join(lines)


def how(fields: Fields) -> str:
    """One sentence: the command, the load, the machine."""
    options, machine = fields["options"], fields["machine"]
    fault = f"the fault on for {options['fault_s']:g} s, seed {options['seed']}"
    load = f"{options['rate_per_s']:g} requests/s with a budget of {options['budget_ms']} ms, {fault}"
    commit = f" at commit {fields['commit']}" if fields.get("commit") else ""
    cores = f"{machine['cores']} cores that also made the load"
    return f"`{fields['command']}`, {fields['at'][:10]}{commit}: {load}, {cores}."


def table(rows: Sequence[Fields]) -> list[str]:
    """One line a scenario: what callers got while the fault was on, and how long it took to be seen and to be over."""
    head = (
        "| What fails | Requests | Invalid, 5xx, unanswered | Late | Sources | Reasons | p50 / p99.9 / max ms "
        "| Seen after | Back after |"
    )
    return [head, "|---|---|---|---|---|---|---|---|---|", *(_line(row) for row in rows)]


def table_of_faults(rows: Sequence[Fields]) -> list[str]:
    """One line a fault: the sums and the worst of all scenarios that it was part of, alone or with another."""
    head = "| Fault | Scenarios | Passed | Requests | Invalid, 5xx, unanswered | Late | Worst p99.9 / max ms |"
    of_fault: dict[str, list[Fields]] = {}
    for row in rows:
        for name in row["name"].split("+"):
            of_fault.setdefault(name, []).append(row)
    lines = [_sums(f"`{name}`", of_fault[name]) for name in sorted(of_fault)]
    return [head, "|---|---|---|---|---|---|---|", *lines, _sums("all, each once", rows)]


def readme(fields: Fields, text: str) -> str:
    """The README's text with the table between its marks. Raises NoMarksError."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise NoMarksError(f"the file needs two lines, {BEGIN!r} and {END!r}")
    return "\n".join([before + BEGIN, "", how(fields), "", *table(fields["rows"]), "", END]) + after


def _commit() -> str:
    """The last commit of our source, with a mark where it has been changed since; empty where it is in none."""
    source = Path(__file__).resolve().parents[1]
    try:
        commit, changes = (
            subprocess.run(  # noqa: S603 - two fixed command lines
                ["git", "-C", str(source), *arguments, "--", str(source)],  # noqa: S607 - whichever git is there
                capture_output=True, text=True, check=True,
            ).stdout.strip()
            for arguments in (("log", "-1", "--format=%h"), ("status", "--porcelain"))
        )  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        return ""
    return f"{commit}, changed" if commit and changes else commit


def _sums(name: str, rows: Sequence[Fields]) -> str:
    faults = [row["fault"] for row in rows]
    worst = " / ".join(f"{max((fault[time] for fault in faults), default=0):.0f}" for time in ("p999_ms", "max_ms"))
    cells = (
        name, f"{len(rows)}", f"{sum(row['passed'] for row in rows)}", f"{sum(f['requests'] for f in faults):,}",
        f"{sum(map(_wrong, faults))}", f"{sum(fault['late'] for fault in faults)}", worst,
    )  # fmt: skip
    return f"| {' | '.join(cells)} |"


def _wrong(fault: Fields) -> int:
    wrong: int = sum(fault["exceptions"].values()) + sum(fault["faults"].values())
    return wrong


def _line(row: Fields) -> str:
    fault = row["fault"]
    cells = (
        f"{row['component']}: {row['failure']}",
        f"{fault['requests']:,}",
        str(_wrong(fault)),
        f"{fault['late']}",
        _most(fault["sources"], fault["requests"]),
        _most(fault["reasons"], fault["requests"]),
        f"{fault['p50_ms']:.0f} / {fault['p999_ms']:.0f} / {fault['max_ms']:.0f}",
        _seconds(row["detected_after_s"]),
        _seconds(row["returned_90_after_s"]),
    )
    return f"| {' | '.join(cells)} |"


def _most(counts: Mapping[str, int], total: int) -> str:
    """The commonest values with their share; what is below one in a hundred is shown as a count."""
    shown = list(counts.items())[:REASONS_SHOWN]
    return ", ".join(f"`{name}` {_share(count, total)}" for name, count in shown)


def _share(count: int, total: int) -> str:
    return f"{100 * count / total:.0f} %" if total and count * 100 >= total else str(count)


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.1f} s"
