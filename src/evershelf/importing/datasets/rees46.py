"""REES46's shop of many categories: events and catalogue in one file, categories as dotted codes."""

from datetime import datetime
from pathlib import Path

import pyarrow as pa

from evershelf.importing.arrow import pc
from evershelf.importing.csv_rows import CsvRows
from evershelf.importing.datasets.plan import Plan, as_it_is, event_feed, item_feed, with_columns
from evershelf.importing.report import ImportProblem
from evershelf.importing.rows import RowBatch, Verdict

CURRENCY = "USD"
_EVENT_FIELDS = {
    "user_id": "user_id",
    "session_id": "user_session",
    "item_id": "product_id",
    "occurred_at": "event_time",
    "event_type": "event_type",
    "value": "price",
}
_ITEM_FIELDS = {"item_id": "product_id", "categories": "category_path", "price": "price", "currency": "currency"}


def plan(folder: Path, now: datetime) -> Plan:
    """The files are read twice, once for the items (the last mention wins) and once for the events."""
    files = sorted(path for path in folder.iterdir() if path.name.endswith((".csv", ".csv.gz", ".csv.zst")))
    if not files:
        raise ImportProblem(f"{folder} holds no .csv, .csv.gz or .csv.zst file")
    items = [item_feed(p, CsvRows(p), _ITEM_FIELDS, attributes=("brand",), clean=_catalogued) for p in files]
    events = [event_feed(p, CsvRows(p), _EVENT_FIELDS, now, clean=as_it_is) for p in files]
    return Plan((*items, *events), notes=("The data has no titles: its items carry categories, brands and prices.",))


def _catalogued(batch: RowBatch, _: Verdict) -> RowBatch:
    """`a.b.c` as the path `a/b/c`."""
    rows = batch.rows
    path = pc.replace_substring(rows.column("category_code"), ".", "/")
    currency = pa.repeat(pa.scalar(CURRENCY), rows.num_rows)
    return with_columns(batch, {"category_path": path, "currency": currency})
