"""Events from files: formats, checks, rejects, and importing twice."""

import gzip
import json
from pathlib import Path

import asyncpg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from evershelf.contracts.events import EventType
from evershelf.importing.files import EventOptions, FileOptions, import_events
from evershelf.importing.mapping import events_map

MAP = events_map("user_id=who,item_id=what,occurred_at=when,event_type=kind,value=v")
CSV = "who;what;when;kind;v\n1;a;2024-01-31T23:30:00;view;\n2;b;2024-02-01T01:30:00+02:00;buy;9.5\n"
ROWS = [
    {"who": 1, "what": "a", "when": "2024-01-31T23:30:00Z", "kind": "view"},
    {"who": "2", "what": "b", "when": "2024-01-31 23:30:00", "kind": "buy", "v": 9.5},
]


async def _fetch(url: str, query: str) -> list[tuple[object, ...]]:
    connection = await asyncpg.connect(url)
    try:
        return [tuple(row) for row in await connection.fetch(query)]
    finally:
        await connection.close()


EVENTS = "SELECT user_id, item_id, event_type, value, occurred_at::text FROM events ORDER BY user_id"
EXPECTED = [
    ("1", "a", "view_item", None, "2024-01-31 23:30:00+00"),
    ("2", "b", "purchase", 9.5, "2024-01-31 23:30:00+00"),
]


def _write(folder: Path, kind: str) -> Path:
    jsonl = "".join(json.dumps(row) + "\n" for row in ROWS).encode()
    path = folder / f"events.{kind}"
    match kind:
        case "csv":
            path.write_text(CSV)
        case "csv.gz":
            path.write_bytes(gzip.compress(CSV.encode()))
        case "csv.zst":
            path.write_bytes(zstandard.compress(CSV.encode()))
        case "jsonl":
            path.write_bytes(jsonl)
        case "jsonl.zst":
            path.write_bytes(zstandard.compress(jsonl))
        case _:
            rows = {key: [None if row.get(key) is None else str(row[key]) for row in ROWS] for key in (*ROWS[0], "v")}
            pq.write_table(pa.table(rows), path)
    return path


@pytest.mark.parametrize("kind", ["csv", "csv.gz", "csv.zst", "jsonl", "jsonl.zst", "parquet"])
async def test_every_format_yields_the_same_events(database_url, tmp_path, kind):
    # Promise: delimiter, compression and format are found out, and make no difference.
    report = await import_events(database_url, _write(tmp_path, kind), MAP)
    assert (report.read, report.inserted, report.rejected, report.rejects_path) == (2, 2, {}, None)
    assert await _fetch(database_url, EVENTS) == EXPECTED


async def test_a_second_import_adds_nothing(database_url, tmp_path):
    # Promise: events without an id get one made of their content, whatever the format they come in.
    await import_events(database_url, _write(tmp_path, "csv"), MAP)
    again = await import_events(database_url, _write(tmp_path, "jsonl"), MAP)
    assert (again.inserted, again.duplicates) == (0, 2)
    assert await _fetch(database_url, "SELECT name, count FROM event_counters ORDER BY name") == [
        ("duplicates", 2),
        ("stored", 2),
    ]


async def test_rejected_rows_are_counted_by_reason_and_kept_with_their_line(database_url, tmp_path):
    # Promise: a bad row never takes its neighbours with it, and can be found again.
    path = tmp_path / "events.csv"
    bad = ["4;d", ";d;2024-01-01;view;", "4;;2024-01-01;view;", "4;d;;view;", "4;d;soon;view;", "4;d;2999-01-01;view;"]
    bad += [
        "4;d;1970-01-02;view;",
        "4;d;2024-01-01;gaze;",
        "4;d;2024-01-01;view;much",
        f"{'4' * 129};d;2024-01-01;view;",
    ]
    path.write_text(CSV + "".join(line + "\n" for line in bad))
    report = await import_events(database_url, path, MAP)
    assert report.rejects_path == path.with_name("events.csv.rejects.jsonl")
    kept = [json.loads(line) for line in report.rejects_path.read_text().splitlines()]
    assert {entry["line"]: entry["reason"] for entry in kept} == {
        4: "wrong_number_of_cells",
        5: "missing_user_id",
        6: "missing_item_id",
        7: "missing_occurred_at",
        8: "invalid_occurred_at",
        9: "occurred_at_in_the_future",
        10: "occurred_at_before_1990",
        11: "unknown_event_type",
        12: "invalid_value",
        13: "user_id_too_long",
    }
    assert report.inserted == 2
    assert sum(report.rejected.values()) == len(kept) == len(bad)
    assert kept[-1]["row"]["what"] == "d"


async def test_lines_that_are_no_objects_are_set_aside(database_url, tmp_path):
    # Promise: JSONL is read line by line, so a broken line costs only itself.
    path = _write(tmp_path, "jsonl")
    path.write_bytes(b'{"who": \n\n[1]\n' + path.read_bytes())
    report = await import_events(database_url, path, MAP, options=FileOptions(rejects=tmp_path / "r.jsonl"))
    assert report.rejected == {"invalid_json": 1, "not_an_object": 1}
    assert [json.loads(line)["line"] for line in (tmp_path / "r.jsonl").read_text().splitlines()] == [1, 3]
    assert report.inserted == 2


async def test_ids_of_events_are_kept_or_made_of_the_given_text(database_url, tmp_path):
    # Promise: a UUID stands as it is; any other id of an event still tells two events apart.
    path = tmp_path / "e.csv"
    uuid = "01890a5d-ac96-774b-bcce-b302099a8057"
    path.write_text(f"id,u,i,t\n{uuid},1,a,1700000000\nx1,1,a,1700000000\nx2,1,a,1700000000\nx2,1,a,1700000000\n")
    report = await import_events(database_url, path, events_map("event_id=id,user_id=u,item_id=i,occurred_at=t"))
    assert (report.inserted, report.duplicates) == (3, 1)
    assert (uuid,) in await _fetch(database_url, "SELECT event_id::text FROM events")


async def test_constants_sessions_own_names_and_bare_items(database_url, tmp_path):
    # Promise: a field can be a constant, a session is somebody, other event names can be told, items can be made.
    path = tmp_path / "e.jsonl"
    path.write_text('{"s": "s1", "i": 7, "t": 1700000000123, "e": "Gaze"}\n')
    columns = events_map("session_id=s,item_id=i,occurred_at=t,event_type=e,value==2")
    events = EventOptions(names={"gaze": EventType.VIEW_ITEM}, create_items=True)
    report = await import_events(database_url, path, columns, events=events)
    assert report.tables["items"].inserted == 1
    query = "SELECT session_id, item_id, event_type, value, occurred_at::text FROM events"
    assert await _fetch(database_url, query) == [("s1", "7", "view_item", 2.0, "2023-11-14 22:13:20.123+00")]
