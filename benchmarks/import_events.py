"""How many events a second an import carries end to end, and where the time goes.

Usage: python benchmarks/import_events.py [--form smoke|short|long] [--data DIR] [--database-url URL] [--json]
Without a URL an embedded PostgreSQL is started with its usual settings and removed afterwards.
"""

import argparse
import asyncio
import resource
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.parquet as pq
from told import Target, Told, parser

from evershelf.importing.datasets import import_dataset
from evershelf.importing.files import import_events
from evershelf.importing.mapping import events_map
from evershelf.importing.report import ImportReport
from evershelf.storage.embedded import EmbeddedPostgres
from evershelf.storage.migrate import migrate

SEED = 7
ROWS = {"smoke": 5_000, "short": 300_000, "long": 1_000_000}
AGAIN = "the same csv again"
MAP = "user_id=user,item_id=item,occurred_at=at,event_type=type"
TYPES = np.array(["view", "cart", "buy"])


def main() -> None:
    """Runs every case on a fresh database and prints its figures."""
    arguments = _arguments()
    with tempfile.TemporaryDirectory(prefix="evershelf-bench-") as name, _server(arguments, Path(name)) as url:
        Path(name).chmod(0o755)
        cases = asyncio.run(_run(url, Path(name), arguments))
    told = Told("import")
    for case, figures in cases.items():
        steps = {f"{step}_s": seconds for step, seconds in figures["steps_s"].items()}
        kept = {name: figures[name] for name in ("read", "seconds", "rows_per_s", "peak_memory_mb")}
        told.rows.append({"case": case, **kept, **steps})
        if case != AGAIN:
            rate = figures["rows_per_s"]
            told.targets.append(Target(f"events imported, {case}", 50_000, "events/s", rate, at_least=True))
    told.tell(as_json=arguments.json)


def _arguments() -> argparse.Namespace:
    options = parser(__doc__, rounds=1)
    options.add_argument("--rows", type=int)
    options.add_argument("--data", type=Path, default=Path(__file__).resolve().parents[2] / "shared" / "data")
    options.add_argument("--database-url")
    arguments = options.parse_args()
    arguments.rows = arguments.rows or ROWS[arguments.form]
    return arguments


@contextmanager
def _server(arguments: argparse.Namespace, folder: Path) -> Iterator[str]:
    if arguments.database_url:
        yield arguments.database_url
        return
    folder.chmod(0o755)
    server = EmbeddedPostgres.start(folder / "postgres")
    try:
        server.wait_ready()
        yield server.url
    finally:
        server.stop()


async def _run(server_url: str, folder: Path, arguments: argparse.Namespace) -> dict[str, dict[str, Any]]:
    csv_path, parquet_path = _generate(folder, arguments.rows)
    columns = events_map(MAP)
    cases: dict[str, dict[str, Any]] = {}
    async with asyncio.timeout(3_600):
        url = await _fresh(server_url)
        cases["csv, epoch seconds"] = _figures(await import_events(url, csv_path, columns))
        cases[AGAIN] = _figures(await import_events(url, csv_path, columns))
        url = await _fresh(server_url)
        cases["parquet, timestamps"] = _figures(await import_events(url, parquet_path, columns))
        movies = arguments.data / "movielens-1m"
        if movies.is_dir() and arguments.form != "smoke":
            url = await _fresh(server_url)
            report = await import_dataset(url, "movielens-1m", movies, rejects=folder / "rejects.jsonl")
            cases["movielens-1m"] = _figures(report)
    return cases


async def _fresh(server_url: str) -> str:
    name = f"bench_{uuid4().hex}"
    connection = await asyncpg.connect(server_url)
    try:
        await connection.execute(f"CREATE DATABASE {name}")
    finally:
        connection.terminate()
    url = f"{server_url.rpartition('/')[0]}/{name}"
    await migrate(url)
    return url


def _generate(folder: Path, rows: int) -> tuple[Path, Path]:
    """A year of events with a long tail: 50,000 users, 20,000 items."""
    chance = np.random.default_rng(SEED)
    seconds = 1_700_000_000 + np.sort(chance.integers(0, 365 * 86_400, rows))
    table = pa.table(
        {
            "user": pa.array(chance.integers(0, 50_000, rows)).cast(pa.string()),
            "item": pa.array((chance.pareto(1.1, rows) * 100).astype(np.int64) % 20_000).cast(pa.string()),
            "type": pa.array(TYPES[chance.choice(3, rows, p=[0.85, 0.1, 0.05])]),
            "at": pa.array(seconds),
        }
    )
    csv_path, parquet_path = folder / "events.csv", folder / "events.parquet"
    arrow_csv.write_csv(table, csv_path)
    pq.write_table(table.set_column(3, "at", table["at"].cast(pa.timestamp("s", "UTC"))), parquet_path)
    return csv_path, parquet_path


def _figures(report: ImportReport) -> dict[str, Any]:
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {**asdict(report), "rejects_path": None, "rows_per_s": report.rows_per_s, "peak_memory_mb": round(peak_mb)}


if __name__ == "__main__":
    main()
