"""Rows into items and users: the mapped columns read, checked against the contract, the rest kept as attributes."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import orjson
import pyarrow as pa

from evershelf.contracts import catalog
from evershelf.contracts.identifiers import CATEGORY_LENGTH_MAX
from evershelf.importing.arrow import Array, pc
from evershelf.importing.cells import (
    array_literal,
    booleans_of,
    check_ids,
    check_length,
    labels_of,
    numbers_of,
    text_of,
)
from evershelf.importing.mapping import ColumnMap
from evershelf.importing.rows import Prepared, RowBatch, Verdict, mask_of, take_good
from evershelf.importing.times import TimeReader

TAG_LENGTH_MAX = 64
PRICE_MAX = 2**53
ALL_ATTRIBUTES = ("*",)
_NO_MINOR_UNIT = ("JPY", "KRW", "VND", "CLP", "ISK", "XAF", "XOF", "PYG", "UGX")


class PriceUnit(StrEnum):
    """How prices stand in the file: 12.34 or 1234."""

    MAJOR = "major"
    MINOR = "minor"


@dataclass(frozen=True, slots=True)
class Labels:
    """How many labels an item may have, and how long each may be."""

    field: str
    count_max: int
    length_max: int


_CATEGORIES = Labels("categories", catalog.CATEGORIES_MAX, CATEGORY_LENGTH_MAX)
_TAGS = Labels("tags", catalog.TAGS_MAX, TAG_LENGTH_MAX)


@dataclass(frozen=True, slots=True)
class ItemShaper:
    """Turns batches into staged items. Of equal ids in one file the last row wins."""

    columns: ColumnMap
    times: Callable[[], TimeReader]
    separator: str = "|"
    price_unit: PriceUnit = PriceUnit.MAJOR
    attributes: tuple[str, ...] = ()

    def __call__(self, batch: RowBatch, verdict: Verdict | None = None) -> Prepared:
        """The batch's good rows as items."""
        verdict = verdict or Verdict(batch.rows.num_rows)
        ids = text_of(self.columns.cells(batch, "item_id"))
        verdict.reject(mask_of(pc.is_null(ids)), "missing_item_id")
        check_ids(ids, "item_id", verdict)
        text = {name: text_of(self.columns.cells(batch, name)) for name in ("title", "image_url", "page_url")}
        check_length(text["title"], "title", catalog.TITLE_LENGTH_MAX, verdict)
        check_length(text["image_url"], "image_url", catalog.URL_LENGTH_MAX, verdict)
        check_length(text["page_url"], "page_url", catalog.URL_LENGTH_MAX, verdict)
        currency = self._currency(batch, verdict)
        ordered = {
            "item_id": ids,
            "title": text["title"],
            "categories": self._labels(batch, _CATEGORIES, verdict),
            "price": self._price(batch, currency, verdict),
            "currency": currency,
            "image_url": text["image_url"],
            "page_url": text["page_url"],
            "available": self._available(batch, verdict),
            "expires_at": self._time(batch, "expires_at", verdict),
            "published_at": self._time(batch, "published_at", verdict),
            "tags": self._labels(batch, _TAGS, verdict),
            "attributes": attributes_of(batch, self.columns, self.attributes, verdict),
        }
        return Prepared(take_good(ordered, verdict), batch, verdict)

    def fields(self) -> tuple[str, ...]:
        """The columns of `items` that the file speaks of."""
        return (*self.columns.fields, *(("attributes",) if self.attributes else ()))

    def _currency(self, batch: RowBatch, verdict: Verdict) -> Array:
        currency = pc.utf8_upper(text_of(self.columns.cells(batch, "currency")))
        verdict.reject(mask_of(pc.invert(pc.match_substring_regex(currency, "^[A-Z]{3}$"))), "invalid_currency")
        return currency

    def _price(self, batch: RowBatch, currency: Array, verdict: Verdict) -> Array:
        price, wrong = numbers_of(self.columns.cells(batch, "price"))
        verdict.reject(wrong, "invalid_price")
        if self.price_unit is PriceUnit.MAJOR:
            whole = mask_of(pc.is_in(currency, pa.array(_NO_MINOR_UNIT)))
            price = pc.multiply(price, pa.array(np.where(whole, 1.0, 100.0)))
        minor = pc.round(price)
        verdict.reject(mask_of(pc.less(minor, 0)), "negative_price")
        verdict.reject(mask_of(pc.greater(minor, float(PRICE_MAX))), "invalid_price")
        good = pc.and_(pc.greater_equal(minor, 0), pc.less_equal(minor, float(PRICE_MAX)))
        return pc.if_else(good, minor, None).cast(pa.int64())

    def _available(self, batch: RowBatch, verdict: Verdict) -> Array:
        flags, wrong = booleans_of(self.columns.cells(batch, "available"))
        verdict.reject(wrong, "invalid_available")
        return flags

    def _time(self, batch: RowBatch, field: str, verdict: Verdict) -> Array:
        cells = self.columns.cells(batch, field)
        times = self.times().read(cells)
        verdict.reject(mask_of(pc.and_(pc.is_valid(text_of(cells)), pc.is_null(times))), f"invalid_{field}")
        for beyond, limit in ((pc.less, catalog.INSTANT_MIN), (pc.greater, catalog.INSTANT_MAX)):
            verdict.reject(mask_of(beyond(times, pa.scalar(limit, times.type))), f"invalid_{field}")
        return times

    def _labels(self, batch: RowBatch, kind: Labels, verdict: Verdict) -> Array:
        if not self.columns.has(kind.field):
            return pa.nulls(batch.rows.num_rows, pa.string())
        cells = text_of(self.columns.cells(batch, kind.field)).to_pylist()
        lists = [labels_of(cell, self.separator) for cell in cells]
        verdict.reject(np.array([len(labels) > kind.count_max for labels in lists], np.bool_), f"too_many_{kind.field}")
        bad = [any(len(label) > kind.length_max or not label.isprintable() for label in labels) for labels in lists]
        verdict.reject(np.array(bad, np.bool_), f"invalid_{kind.field}")
        return pa.array([array_literal(labels) for labels in lists], pa.string())


@dataclass(frozen=True, slots=True)
class UserShaper:
    """Turns batches into staged users."""

    columns: ColumnMap
    attributes: tuple[str, ...] = ()

    def __call__(self, batch: RowBatch) -> Prepared:
        """The batch's good rows as users."""
        verdict = Verdict(batch.rows.num_rows)
        ids = text_of(self.columns.cells(batch, "user_id"))
        verdict.reject(mask_of(pc.is_null(ids)), "missing_user_id")
        check_ids(ids, "user_id", verdict)
        ordered = {"user_id": ids, "attributes": attributes_of(batch, self.columns, self.attributes, verdict)}
        return Prepared(take_good(ordered, verdict), batch, verdict)


def attributes_of(batch: RowBatch, columns: ColumnMap, names: tuple[str, ...], verdict: Verdict) -> Array:
    """The named columns of each row as one JSON object (ALL_ATTRIBUTES: all not mapped); empty cells are left out.

    Rejects rows with more or deeper attributes than the contract allows, which only the rows of JSONL can tell, and the
    one character that PostgreSQL's jsonb cannot hold.
    """
    present = batch.rows.schema.names
    mapped = columns.columns()
    kept = [name for name in present if (name not in mapped if names == ALL_ATTRIBUTES else name in names)]
    if not kept:
        return pa.nulls(batch.rows.num_rows, pa.string())
    rows = [{k: v for k, v in row.items() if v is not None} for row in batch.rows.select(kept).to_pylist()]
    verdict.reject(np.array([len(row) > catalog.ATTRIBUTES_MAX for row in rows], np.bool_), "too_many_attributes")
    verdict.reject(np.array([catalog.is_too_deep(row) for row in rows], np.bool_), "attributes_too_deep")
    attributes = pa.array([_json(row) for row in rows], pa.string())
    verdict.reject(mask_of(pc.match_substring(attributes, "\\u0000")), "nul_character_in_attributes")
    return attributes


def _json(values: dict[str, object]) -> str:
    return orjson.dumps(values, default=str).decode()
