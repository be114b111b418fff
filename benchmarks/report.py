"""The report: what benchmarks told (JSON on standard input) as Markdown with a table of targets, and plots as SVG.

Usage: python benchmarks/report.py FOLDER FORM [FILE ...] < figures.json
The lists of several runs may be joined to one; each figure names the form that it was taken in.
In each FILE what stands between `<!-- bench NAME: begin -->` and `<!-- bench NAME: end -->` is written anew, where that
benchmark ran: its rows and notes; NAME `targets` is the table of targets, where those of a benchmark that did not run
stay as they stand.
"""

import json
import math
import os
import platform
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

LIBRARIES = ("evershelf", "fastapi", "uvicorn", "uvloop", "httptools", "orjson", "msgspec", "numpy", "numba", "asyncpg")
WIDTH, HEIGHT, LEFT, BOTTOM = 640, 300, 70, 50
COLOURS = ("#2563eb", "#16a34a", "#d97706", "#dc2626", "#7c3aed")
VERDICTS = {"met": "yes", "missed": "**no**"}
TARGETS = "targets"
BEGIN, END = "<!-- bench {}: begin -->", "<!-- bench {}: end -->"
# What others may use of the machine before it is worth a word.
QUIET_SHARE = 0.02
Row = Mapping[str, Any]


def main() -> None:
    """Writes report.md, figures.json and the plots, and fills files in; prints the report."""
    folder, form, files = Path(sys.argv[1]), sys.argv[2], map(Path, sys.argv[3:])
    told: list[dict[str, Any]] = json.load(sys.stdin)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "figures.json").write_text(json.dumps(told, indent=2) + "\n")
    drawn = plots(told)
    for name, svg in drawn.items():
        (folder / name).write_text(svg)
    text = "\n".join(lines(told, form, drawn)) + "\n"
    (folder / "report.md").write_text(text)
    for path in files:
        path.write_text(filled(path.read_text(), told, form))
    print(text)


def lines(told: Sequence[Row], form: str, drawn: Iterable[str]) -> Iterable[str]:
    """The report, line by line."""
    yield f"# Benchmarks, {form} form"
    yield f"\n{how(told, form)}"
    yield f"Versions: {', '.join(f'{name} {version(name)}' for name in LIBRARIES)}."
    if form == "smoke":
        yield "\n**Smoke form: sizes are tiny, and the figures mean nothing.**"
    yield ""
    yield from table_of(target_rows(told, form))
    for each in told:
        yield f"\n## {each['bench']}\n"
        yield from section(each)
    yield ""
    yield from (f"![{name}]({name})" for name in drawn)


def how(told: Sequence[Row], form: str) -> str:
    """When, on what and by which commands the figures were taken: of those that told any, a command for each form."""
    by_form: dict[str, list[Row]] = {}
    for each in told:
        if each["rows"] or len(told) == 1:
            by_form.setdefault(each.get("form", form), []).append(each)
    commands = []
    for each_form, found in by_form.items():
        names = [each["bench"] for each in found]
        name = names[0] if len(names) == 1 else "all" if len(by_form) == 1 else "NAME"
        listed = f" ({', '.join(names)})" if name == "NAME" else ""
        commands.append(f"`evershelf bench {name} --form {each_form}`{listed}, {taken(found)}")
    return f"{'; '.join(commands)}, {machine()}."


def taken(told: Iterable[Row]) -> str:
    """When the last of these ended; now, where none says."""
    ended_s = max((each["ended_s"] for each in told if "ended_s" in each), default=datetime.now(UTC).timestamp())
    return f"{datetime.fromtimestamp(ended_s, UTC):%Y-%m-%d %H:%M} UTC"


def target_rows(told: Sequence[Row], form: str) -> dict[str, list[str]]:
    """The lines of every target with its verdict, by benchmark."""
    found: dict[str, list[str]] = {}
    for each in told:
        when = f"{taken([each])}, {each.get('form', form)}"
        for target in each["targets"]:
            bound = "at least" if target["at_least"] else "at most"
            note = f" ({target['note']})" if target["note"] else ""
            measured = "" if target["measured"] is None else f"{number(target['measured'])} {target['unit']}"
            verdict = VERDICTS.get(target["verdict"], target["verdict"])
            found.setdefault(each["bench"], []).append(
                f"| {each['bench']} | {target['what']}: {bound} {number(target['limit'])} {target['unit']} "
                f"| {measured}{note} | {verdict} | {when} |"
            )
    return found


def table_of(found: Mapping[str, Sequence[str]]) -> Iterable[str]:
    """The table of targets."""
    yield "| Benchmark | Target | Measured | Met? | Taken |"
    yield "|---|---|---|---|---|"
    for rows in found.values():
        yield from rows


def standing(text: str) -> dict[str, list[str]]:
    """The rows of targets that a file holds, by benchmark, in their order."""
    _, _, rest = text.partition(BEGIN.format(TARGETS))
    found: dict[str, list[str]] = {}
    for line in rest.partition(END.format(TARGETS))[0].splitlines():
        if line.startswith("| ") and not line.startswith("| Benchmark |"):
            found.setdefault(line.split("|")[1].strip(), []).append(line)
    return found


def section(each: Row) -> Iterable[str]:
    """What one benchmark told besides its targets."""
    if "error" in each:
        yield f"Failed: {each['error']}"
    yield from tables(each["rows"])
    yield from (f"- {note}" for note in each["notes"])
    yield from (f"- too noisy to tell: {name}" for name in each["noisy"])
    if (share := each.get("others_share", 0.0)) > QUIET_SHARE:
        yield f"- others used {share:.0%} of the machine meanwhile"


def filled(text: str, told: Sequence[Row], form: str) -> str:
    """The text with what stands between marks written anew, of the benchmarks that ran to their end."""
    made = {
        each["bench"]: [how([each], form), "", *section(each)] for each in told if "error" not in each and each["rows"]
    }
    anew = target_rows([each for each in told if each["bench"] in made], form)
    heading = f"`evershelf bench NAME --form FORM`, {machine()}."
    made[TARGETS] = [heading, "", *table_of(standing(text) | anew)]
    for name, found in made.items():
        begin, end = BEGIN.format(name), END.format(name)
        body = "\n".join([begin, "", *found, "", end])
        text = re.sub(f"{re.escape(begin)}.*?{re.escape(end)}", lambda _, body=body: body, text, flags=re.DOTALL)
    return text


def machine() -> str:
    """What it ran on, without its name."""
    models = [line.partition(":")[2].strip() for line in _read("/proc/cpuinfo") if line.startswith("model name")]
    memory = next((int(line.split()[1]) // 2**20 for line in _read("/proc/meminfo") if line.startswith("MemTotal")), 0)
    processor = models[0] if models else platform.machine()
    system = f"Linux {platform.release()}, Python {platform.python_version()}"
    return f"{processor}, {os.cpu_count()} cores, {memory} GiB, {system}"


def tables(rows: Sequence[Row]) -> Iterable[str]:
    """One table for every kind of row, in order."""
    kinds: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        kinds.setdefault(tuple(row), []).append(row)
    for names, found in kinds.items():
        yield "| " + " | ".join(names) + " |"
        yield "|" + "---|" * len(names)
        yield from ("| " + " | ".join(number(row[name]) for name in names) + " |" for row in found)
        yield ""


def number(value: float | str) -> str:
    """Three digits that count."""
    if isinstance(value, str):
        return value
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"


def plots(told: Sequence[Row]) -> dict[str, str]:
    """What can be drawn from the rows: a file name and its SVG."""
    rows = {each["bench"]: each["rows"] for each in told}
    offered, drawn = rows.get("overload", []), {}
    if offered:
        names = ("p50_ms", "p99_ms", "max_ms")
        times = {name: [(row["offered_per_s"], row[name]) for row in offered] for name in names}
        drawn["latency.svg"] = plot("ms (in powers of ten) by requests/s offered, open loop", times, powers=True)
        names = ("offered_per_s", "in_time_per_s", "model_per_s")
        rates = {name: [(row["offered_per_s"], row[name]) for row in offered] for name in names}
        drawn["goodput.svg"] = plot("answers/s: offered, valid and in time, by the model; by requests/s offered", rates)
    grown: dict[str, list[tuple[float, float]]] = {}
    for row in sorted(rows.get("serve", []), key=lambda each: each["items"]):
        if row["variant"] == "evershelf" and row["concurrency"] == 64 and row["history"] == 10:
            for part in ("gateway_us", "inference_us"):
                grown.setdefault(part, []).append((row["items"], row[part]))
    for row in rows.get("baseline", []):
        grown.setdefault(f"baseline, {row['user']}", []).append((row["items"], row["cpu_us"]))
    if grown:
        drawn["growth.svg"] = plot("CPU (us) by items in the catalog", grown)
    return drawn


def plot(title: str, series: Mapping[str, Sequence[tuple[float, float]]], *, powers: bool = False) -> str:
    """Lines with points, both axes from nought; with `powers` the height goes by powers of ten, from the lowest."""
    x_max = max(x for points in series.values() for x, _ in points) or 1.0
    heights = [y for points in series.values() for _, y in points]
    low = 10.0 ** math.floor(math.log10(max(min(heights), 0.01))) if powers else 0.0
    high = 10.0 ** math.ceil(math.log10(max(*heights, low * 10))) if powers else max(heights) or 1.0

    def rise(y: float) -> float:
        return math.log(max(y, low) / low) / math.log(high / low) if powers else y / high

    def place(x: float, y: float) -> str:
        down = HEIGHT - BOTTOM - rise(y) * (HEIGHT - BOTTOM - 50)
        return f"{LEFT + x / x_max * (WIDTH - LEFT - 20):.1f},{down:.1f}"

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT + 20 * len(series)}">',
        "<style>text {font: 12px sans-serif}</style>",
        '<rect width="100%" height="100%" fill="white"/>',
        f'<text x="{LEFT}" y="20">{title}</text>',
        f'<polyline points="{place(0, high)} {place(0, low)} {place(x_max, low)}" fill="none" stroke="#999"/>',
    ]
    steps = [10.0**power for power in range(round(math.log10(low)), round(math.log10(high)) + 1)] if powers else []
    for height in steps or [0.0, high / 2, high]:
        level = float(place(0, height).split(",")[1])
        parts.append(f'<text x="{LEFT - 8}" y="{level + 4:.1f}" text-anchor="end">{height:,.4g}</text>')
    for share in (0.0, 0.5, 1.0):
        x = place(share * x_max, low).split(",")[0]
        parts.append(f'<text x="{x}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{share * x_max:,.4g}</text>')
    for turn, (name, points) in enumerate(series.items()):
        colour = COLOURS[turn % len(COLOURS)]
        path = " ".join(place(*point) for point in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        for point in points:
            x, y = place(*point).split(",")
            parts.append(f'<circle cx="{x}" cy="{y}" r="3" fill="{colour}"/>')
        parts.append(f'<text x="{LEFT}" y="{HEIGHT + 20 * turn}" fill="{colour}">{name}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _read(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []


if __name__ == "__main__":
    main()
