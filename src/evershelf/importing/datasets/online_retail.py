"""UCI Online Retail: order lines of a real shop, cleaned to purchases by known customers of real goods."""

from datetime import datetime
from pathlib import Path

import pyarrow as pa

from evershelf.importing.arrow import Array, pc
from evershelf.importing.csv_rows import CsvRows
from evershelf.importing.datasets.plan import Plan, event_feed, item_feed, with_columns
from evershelf.importing.parquet_rows import ParquetRows
from evershelf.importing.rows import RowBatch, Verdict, mask_of

ZONE = "Europe/London"
CURRENCY = "GBP"
_GOODS = "^[0-9]{5}"
_EVENT_FIELDS = {
    "user_id": "CustomerID",
    "item_id": "StockCode",
    "occurred_at": "InvoiceDate",
    "event_type": "=purchase",
    "value": "line_total",
    "event_id": "line_identity",
}
_ITEM_FIELDS = {"item_id": "StockCode", "title": "title", "price": "price", "currency": "currency"}
_ATTRIBUTES = ("min_price", "max_price")


def plan(folder: Path, now: datetime) -> Plan:
    """Products with their median price, purchases with the line's total as value."""
    lines, products = folder / "online_retail.parquet", folder / "products.csv"
    note = "Times are taken as UK local time; a purchase's value is quantity times unit price in GBP."
    return Plan(
        (
            item_feed(products, CsvRows(products, delimiter=","), _ITEM_FIELDS, attributes=_ATTRIBUTES, clean=_priced),
            event_feed(lines, ParquetRows(lines), _EVENT_FIELDS, now, zone=ZONE, clean=_purchases),
        ),
        notes=(note,),
    )


def _priced(batch: RowBatch, _: Verdict) -> RowBatch:
    return with_columns(batch, {"currency": pa.repeat(pa.scalar(CURRENCY), batch.rows.num_rows)})


def _purchases(batch: RowBatch, verdict: Verdict) -> RowBatch:
    """The cleaning of the data's description; a line counts for the first rule it breaks."""
    rows = batch.rows
    verdict.reject(mask_of(pc.is_null(rows.column("CustomerID"))), "no_customer")
    verdict.reject(mask_of(pc.starts_with(rows.column("InvoiceNo"), "C")), "cancellation")
    verdict.reject(mask_of(pc.less_equal(rows.column("Quantity"), 0)), "quantity_not_positive")
    verdict.reject(mask_of(pc.less_equal(rows.column("UnitPrice"), 0)), "price_not_positive")
    is_goods = pc.match_substring_regex(rows.column("StockCode"), _GOODS)
    verdict.reject(~mask_of(is_goods), "code_is_no_goods")
    total = pc.round(pc.multiply(rows.column("UnitPrice"), rows.column("Quantity")), 2)
    return with_columns(batch, {"line_total": total, "line_identity": _identity(rows)})


def _identity(rows: pa.RecordBatch) -> Array:
    """All cells of a line in one text: two lines are the same purchase only if nothing tells them apart."""
    cells = [pc.fill_null(column.cast(pa.large_string()), "") for column in rows.columns]
    joined = pc.binary_join_element_wise(*cells, pa.scalar("\x1f", pa.large_string()))
    return joined.cast(pa.string())
