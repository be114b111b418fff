"""Broken files and requests: a clear message, and the tables as they were."""

import gzip
import random
from pathlib import Path

import asyncpg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from evershelf.importing.files import FileOptions, import_events
from evershelf.importing.mapping import ColumnMap, events_map, items_map
from evershelf.importing.report import ImportProblem
from evershelf.importing.times import TimeReader
from evershelf.storage.errors import StorageUnavailable

MAP = events_map("user_id=u,item_id=i,occurred_at=t")
ROWS = 300_000


def _csv(rows: int) -> bytes:
    chance = random.Random(1)
    return b"u,i,t\n" + b"".join(b"%d,%d,%d\n" % (chance.getrandbits(31), n, 1_700_000_000) for n in range(rows))


def _damaged(folder: Path, kind: str) -> Path:
    path = folder / f"events.{kind}"
    if kind == "csv.gz":
        whole = gzip.compress(_csv(ROWS), 1)
        path.write_bytes(whole[: len(whole) * 3 // 4])
    elif kind == "parquet":
        pq.write_table(pa.table({"u": ["1"] * 1000, "i": ["2"] * 1000, "t": [1_700_000_000] * 1000}), path)
        path.write_bytes(path.read_bytes()[:-10])
    elif kind == "latin.csv":
        path.write_bytes(_csv(ROWS) + "ü,1,1700000000\n".encode("latin-1"))
    elif kind == "utf16.csv":
        path.write_bytes("u,i,t\n1,2,1700000000\n".encode("utf-16"))
    elif kind == "empty.csv":
        path.write_bytes(b"")
    else:
        path.write_bytes(_csv(ROWS) + b'"1,2,3\n' + _csv(ROWS * 2))
    return path


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("csv.gz", "cut off; fetch or make it again"),
        ("parquet", "no valid Parquet file"),
        ("latin.csv", "--encoding latin-1"),
        ("utf16.csv", "--encoding utf-16"),
        ("empty.csv", "is empty"),
        ("unclosed.csv", "a quote that is never closed"),
    ],
)
async def test_a_broken_file_says_what_to_do_and_changes_nothing(database_url, tmp_path, kind, words):
    # Promise: what was read before the damage is not stored either, and no rejects file stays behind.
    path = _damaged(tmp_path, kind)
    with pytest.raises(ImportProblem, match=words):
        await import_events(database_url, path, MAP)
    connection = await asyncpg.connect(database_url)
    assert await connection.fetchval("SELECT count(*) FROM events") == 0
    assert await connection.fetchval("SELECT count(*) FROM pg_inherits WHERE inhparent = 'events'::regclass") == 0
    await connection.close()
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


async def test_the_right_encoding_mends_it(database_url, tmp_path):
    # Promise: what the message advises works.
    path = tmp_path / "events.csv"
    path.write_bytes("u,i,t\nü,1,1700000000\n".encode("latin-1"))
    report = await import_events(database_url, path, MAP, options=FileOptions(encoding="latin-1"))
    assert report.inserted == 1


@pytest.mark.parametrize("name", ["events.csv", "events.jsonl"])
async def test_a_missing_column_is_named_beside_those_that_exist(database_url, tmp_path, name):
    # Promise: a wrong --map is told from the file's side.
    path = tmp_path / name
    path.write_text("u,i,when\n1,2,3\n" if name.endswith("csv") else '{"u": 1, "i": 2, "when": 3}\n')
    with pytest.raises(ImportProblem, match="no column 't'; it has: u, i, when"):
        await import_events(database_url, path, MAP)


@pytest.mark.parametrize(
    "text", ["item_id=a,occurred_at=b", "user_id=u,item_id=i", "user_id", "who=u", "item_id=a,item_id=b"]
)
def test_a_wrong_map_is_refused(text):
    # Promise: nobody waits for a file to be read to learn of a slip on the command line.
    with pytest.raises(ImportProblem, match="--map"):
        events_map(text)


def test_an_items_map_needs_the_item():
    # Promise: the same for items; an unknown zone is refused too.
    with pytest.raises(ImportProblem, match="item_id"):
        items_map("title=t")
    with pytest.raises(ImportProblem, match="time zone"):
        TimeReader(zone="Mars/Olympus")


async def test_without_a_database_the_error_is_storages(tmp_path):
    # Promise: an unreachable database is not the file's fault.
    path = tmp_path / "events.csv"
    path.write_text("u,i,t\n1,2,1700000000\n")
    with pytest.raises(StorageUnavailable):
        await import_events("postgresql://nobody@127.0.0.1:1/none", path, ColumnMap(MAP.fields))
