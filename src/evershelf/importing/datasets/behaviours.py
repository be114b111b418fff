"""RetailRocket and Tmall: views, carts, favourites and purchases in one table, its test rows without a time."""

from datetime import datetime
from pathlib import Path

from evershelf.importing.arrow import pc
from evershelf.importing.datasets.plan import Plan, event_feed
from evershelf.importing.parquet_rows import ParquetRows
from evershelf.importing.rows import RowBatch, Verdict, mask_of

_FIELDS = {"user_id": "user", "item_id": "item", "occurred_at": "ts", "event_type": "behavior"}


def plan(path: Path, now: datetime) -> Plan:
    """All rows with a time; items are made of the ids, for there is no catalogue."""
    feed = event_feed(path, ParquetRows(path), _FIELDS, now, clean=_without_test_rows)
    return Plan((feed,), notes=("The data has no titles: its items carry ids only.",), items_of_events=True)


def _without_test_rows(batch: RowBatch, verdict: Verdict) -> RowBatch:
    verdict.reject(mask_of(pc.equal(batch.rows.column("ts"), 0)), "no_time")
    return batch
