"""Where each microsecond of an answer goes: py-spy's samples of gateway and inference under load, as CPU a request.

Usage: python benchmarks/hotspots.py [--form smoke|short|long] [--json] [--concurrency 64]
Real gateway, inference and PostgreSQL, 100k items, as in `serve.py`. py-spy is installed into a throw-away environment
and stops the processes for each sample; it needs the right to (root, or kernel.yama.ptrace_scope = 0).
A sample belongs to the innermost file of ours that is being run, with what libraries do on its behalf, and if none is,
to the library's file; `event loop` is uvloop with the kernel's part in reading, writing and waiting. CPU a request is
measured before, without py-spy.
"""

import asyncio
import subprocess
import tempfile
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from environments import installed
from serve import HISTORY_MIDDLE, OURS, WARM_USERS, Questions, Variant, one_round, started
from told import Told, parser
from world import closed_loop, world

ITEMS = {"smoke": 1_000, "short": 100_000, "long": 100_000}
SECONDS = {"smoke": 1.0, "short": 8.0, "long": 20.0}
COLD_USERS, WARM_UP_S, ATTACH_S, SAMPLES_PER_S = 8_000, 2.0, 3.0, 200
ROWS_MAX = 14
OURS_MARK = "evershelf/"
LOOP = "event loop, sockets, kernel"
# Where a thread waits for something to do.
WAITING_FILES = ("gateway/one_thread.py", "logs/writer.py", "concurrent/futures/thread.py", "threading.py")
LOOP_FILES = ("asyncio/runners.py", "uvicorn/server.py", "uvicorn/_compat.py", "evershelf/gateway/__main__.py")


def main() -> None:
    """Measures, then looks."""
    options = parser(__doc__, rounds=1)
    options.add_argument("--concurrency", type=int, default=64)
    arguments = options.parse_args()
    told = Told("profile")
    with tempfile.TemporaryDirectory(prefix="evershelf-bench-") as name:
        python = (
            installed(Path(name) / "py-spy", ["py-spy"])
            if arguments.form != "smoke"
            else "the smoke form installs nothing"
        )
        if isinstance(python, str):
            told.notes.append(f"skipped: no py-spy: {python}")
        else:
            look(told, python.with_name("py-spy"), Path(name), arguments.form, arguments.concurrency)
    told.tell(as_json=arguments.json)


def look(told: Told, py_spy: Path, folder: Path, form: str, concurrency: int) -> None:
    """Rows for both processes."""
    items, seconds = ITEMS[form], SECONDS[form]
    with world(items=items, users=WARM_USERS + COLD_USERS, history=HISTORY_MIDDLE) as made, ExitStack() as stack:
        [variant] = started(made, stack, rivals=False)
        asked = Questions(made, OURS, HISTORY_MIDDLE)
        asyncio.run(one_round(made, variant, asked, concurrency, WARM_UP_S))
        figures = asyncio.run(one_round(made, variant, asked, concurrency, seconds))
        sampled(variant, asked, concurrency, [str(py_spy), str(folder), str(int(seconds))])
    told.notes.append(f"{figures['per_s']:.0f} requests/s at concurrency {concurrency}, {items:,} items")
    for process in variant.pids:
        path = folder / process
        if not path.is_file() or not path.stat().st_size:
            told.notes.append(f"{process}: py-spy was not allowed to look, or saw nothing")
            continue
        spent_us = figures[f"{process}_us"]
        told.notes.append(f"{process}: {spent_us:.0f} us a request")
        told.rows += rows(process, path.read_text().splitlines(), spent_us)


def sampled(made: Variant, asked: Questions, concurrency: int, how: Sequence[str]) -> None:
    """Writes a file of stacks for each process, taken under the same load."""
    py_spy, folder, seconds = how
    options = ("--format", "raw", "--rate", str(SAMPLES_PER_S), "--duration", seconds)
    watchers = [
        subprocess.Popen(
            [py_spy, "record", "--pid", str(pid), "--output", f"{folder}/{name}", *options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for name, pid in made.pids.items()
    ]
    seconds_s = float(seconds) + ATTACH_S
    asyncio.run(closed_loop(made.port, asked, connections=concurrency, seconds=seconds_s))
    for watcher in watchers:
        watcher.wait(seconds_s)


def rows(process: str, stacks: Sequence[str], spent_us: float) -> list[dict[str, float | str]]:
    """The files that cost most, and all others in one row."""
    counts: Counter[str] = Counter()
    for line in stacks:
        stack, _, count = line.rpartition(" ")
        if (where := place(stack.split(";"))) is not None:
            counts[where] += int(count)
    total, first = counts.total(), counts.most_common(ROWS_MAX)
    rest = total - sum(count for _, count in first)
    return [
        {"process": process, "where": where, "share": count / total, "us": count / total * spent_us}
        for where, count in (*first, ("everything else", rest))
        if count
    ]


def place(frames: Sequence[str]) -> str | None:
    """Whom a stack is put down to; None where the thread waits. A frame is `function (file:line)`, outermost first."""
    files = [frame.rpartition(" (")[2].partition(":")[0] for frame in frames]
    if files[-1].endswith(WAITING_FILES):
        return None
    if files[-1].endswith(LOOP_FILES):
        return LOOP
    ours = next((file for file in reversed(files) if OURS_MARK in file and not file.endswith("__main__.py")), None)
    return ours.partition(OURS_MARK)[2] if ours else files[-1]


if __name__ == "__main__":
    main()
