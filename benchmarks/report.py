"""The report: what benchmarks told (JSON on standard input) as Markdown with a table of targets, and plots as SVG.

Usage: python benchmarks/report.py FOLDER FORM < figures.json
"""

import json
import os
import platform
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

LIBRARIES = ("evershelf", "fastapi", "uvicorn", "uvloop", "httptools", "orjson", "msgspec", "numpy", "numba", "asyncpg")
WIDTH, HEIGHT, LEFT, BOTTOM = 640, 300, 70, 50
COLOURS = ("#2563eb", "#16a34a", "#d97706", "#dc2626", "#7c3aed")
VERDICTS = {True: "yes", False: "**no**", None: "not measured"}
Row = Mapping[str, Any]


def main() -> None:
    """Writes report.md, figures.json and the plots; prints the report."""
    folder, form = Path(sys.argv[1]), sys.argv[2]
    told: list[dict[str, Any]] = json.load(sys.stdin)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "figures.json").write_text(json.dumps(told, indent=2) + "\n")
    drawn = plots(told)
    for name, svg in drawn.items():
        (folder / name).write_text(svg)
    text = "\n".join(lines(told, form, drawn)) + "\n"
    (folder / "report.md").write_text(text)
    print(text)


def lines(told: Sequence[Row], form: str, drawn: Iterable[str]) -> Iterable[str]:
    """The report, line by line."""
    yield f"# Benchmarks, {form} form, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    yield ""
    yield f"{machine()}. " + ", ".join(f"{name} {version(name)}" for name in LIBRARIES) + "."
    if form == "smoke":
        yield "\n**Smoke form: sizes are tiny, and the figures mean nothing.**"
    yield "\n| Benchmark | Target | Measured | Met? |"
    yield "|---|---|---|---|"
    for each in told:
        for target in each["targets"]:
            bound = "at least" if target["at_least"] else "at most"
            note = f" ({target['note']})" if target["note"] else ""
            measured = "" if target["measured"] is None else f"{number(target['measured'])} {target['unit']}"
            yield (
                f"| {each['bench']} | {target['what']}: {bound} {number(target['limit'])} {target['unit']} "
                f"| {measured}{note} | {VERDICTS[target['met']]} |"
            )
    for each in told:
        yield f"\n## {each['bench']}\n"
        if "error" in each:
            yield f"Failed: {each['error']}"
        yield from tables(each["rows"])
        yield from (f"- {note}" for note in each["notes"])
        yield from (f"- too noisy to tell: {name}" for name in each["noisy"])
    yield ""
    yield from (f"![{name}]({name})" for name in drawn)


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
    serve, drawn = rows.get("serve", []), {}
    loaded = [row for row in serve if row["items"] == 100_000 and row["history"] == 10]
    lines_by_name: dict[str, list[tuple[float, float]]] = {}
    for row in sorted(loaded, key=lambda each: each["per_s"]):
        lines_by_name.setdefault(row["variant"], []).append((row["per_s"], row["p50_ms"]))
    if lines_by_name:
        drawn["latency.svg"] = plot("p50 (ms) by requests/s carried", lines_by_name)
    grown: dict[str, list[tuple[float, float]]] = {}
    for row in sorted(serve, key=lambda each: each["items"]):
        if row["variant"] == "evershelf" and row["concurrency"] == 64 and row["history"] == 10:
            for part in ("gateway_us", "inference_us"):
                grown.setdefault(part, []).append((row["items"], row[part]))
    for row in rows.get("baseline", []):
        grown.setdefault(f"baseline, {row['user']}", []).append((row["items"], row["cpu_us"]))
    if grown:
        drawn["growth.svg"] = plot("CPU (us) by items in the catalog", grown)
    return drawn


def plot(title: str, series: Mapping[str, Sequence[tuple[float, float]]]) -> str:
    """Lines with points, both axes from nought."""
    x_max = max(x for points in series.values() for x, _ in points) or 1.0
    y_max = max(y for points in series.values() for _, y in points) or 1.0

    def place(x: float, y: float) -> str:
        return (
            f"{LEFT + x / x_max * (WIDTH - LEFT - 20):.1f},{HEIGHT - BOTTOM - y / y_max * (HEIGHT - BOTTOM - 50):.1f}"
        )

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT + 20 * len(series)}">',
        "<style>text {font: 12px sans-serif}</style>",
        '<rect width="100%" height="100%" fill="white"/>',
        f'<text x="{LEFT}" y="20">{title}</text>',
        f'<polyline points="{place(0, y_max)} {place(0, 0)} {place(x_max, 0)}" fill="none" stroke="#999"/>',
    ]
    for share in (0.0, 0.5, 1.0):
        x, y = place(share * x_max, share * y_max).split(",")
        parts.append(f'<text x="{x}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{share * x_max:,.4g}</text>')
        parts.append(f'<text x="{LEFT - 8}" y="{float(y) + 4:.1f}" text-anchor="end">{share * y_max:,.4g}</text>')
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
