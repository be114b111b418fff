"""Which column of a file is which field: `user_id=customer,event_type==purchase` and its checks."""

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from evershelf.contracts.events import EventType
from evershelf.importing.arrow import Array
from evershelf.importing.report import ImportProblem
from evershelf.importing.rows import RowBatch

EVENT_FIELDS = ("user_id", "session_id", "item_id", "occurred_at", "event_type", "value", "event_id")
ITEM_FIELDS = (
    "item_id", "title", "categories", "price", "currency", "image_url", "page_url", "available", "expires_at",
    "published_at", "tags",
)  # fmt: skip
USER_FIELDS = ("user_id",)
CONSTANT_MARK = "="


@dataclass(frozen=True, slots=True)
class ColumnMap:
    """Field -> column name, or field -> `=constant`."""

    fields: Mapping[str, str]

    def has(self, field: str) -> bool:
        """Whether the field is mapped."""
        return field in self.fields

    def columns(self) -> set[str]:
        """The file's columns that the map speaks of."""
        return {column for column in self.fields.values() if not column.startswith(CONSTANT_MARK)}

    def cells(self, batch: RowBatch, field: str) -> Array:
        """The field's cells; all null where it is not mapped, or where no row of the batch has the column."""
        source = self.fields.get(field)
        rows = batch.rows.num_rows
        if source is None:
            return pa.nulls(rows, pa.string())
        if source.startswith(CONSTANT_MARK):
            return pa.repeat(pa.scalar(source.removeprefix(CONSTANT_MARK), pa.string()), rows)
        if source not in batch.rows.schema.names:
            return pa.nulls(rows, pa.string())
        cells = batch.rows.column(source)
        return pa.nulls(rows, pa.string()) if pa.types.is_null(cells.type) else cells


def parse_map(text: str, allowed: tuple[str, ...]) -> ColumnMap:
    """Reads `field=COLUMN,field==constant`; raises ImportProblem with what to write instead."""
    fields: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        field, mark, column = part.partition("=")
        if not mark or not column.strip():
            raise ImportProblem(f"--map: {part!r} is no FIELD=COLUMN (or FIELD==constant)")
        if field.strip() not in allowed:
            raise ImportProblem(f"--map: there is no field {field.strip()!r}; there are: {', '.join(allowed)}")
        if field.strip() in fields:
            raise ImportProblem(f"--map: the field {field.strip()!r} is mapped twice")
        fields[field.strip()] = column.strip()
    return ColumnMap(fields)


def events_map(text: str) -> ColumnMap:
    """A map for events; event_type is `view_item` where it is not mapped."""
    columns = parse_map(text, EVENT_FIELDS)
    for field in ("item_id", "occurred_at"):
        _demand(columns, field)
    if not columns.has("user_id") and not columns.has("session_id"):
        raise ImportProblem("--map: an event needs somebody: map user_id or session_id")
    return ColumnMap({"event_type": "=view_item", **columns.fields})


def items_map(text: str) -> ColumnMap:
    """A map for items; only item_id is needed."""
    columns = parse_map(text, ITEM_FIELDS)
    _demand(columns, "item_id")
    return columns


def users_map(text: str) -> ColumnMap:
    """A map for users."""
    columns = parse_map(text, USER_FIELDS)
    _demand(columns, "user_id")
    return columns


def event_names_map(text: str) -> dict[str, EventType]:
    """Reads `click=select_item,...`: what a file calls its events; raises ImportProblem."""
    names: dict[str, EventType] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, event_type = part.partition("=")
        try:
            names[name.strip()] = EventType(event_type.strip())
        except ValueError as error:
            raise ImportProblem(f"--event-names: {part!r} is not NAME=one of {', '.join(EventType)}") from error
    return names


def check_columns(columns: ColumnMap, present: tuple[str, ...], file_name: str) -> None:
    """Raises ImportProblem where the file lacks a mapped column; silent where only the rows can tell."""
    missing = sorted(columns.columns() - set(present)) if present else []
    if missing:
        raise ImportProblem(
            f"{file_name} has no column {', '.join(map(repr, missing))}; it has: {', '.join(present)}. Correct --map."
        )


def _demand(columns: ColumnMap, field: str) -> None:
    if not columns.has(field):
        raise ImportProblem(f"--map: {field} is missing: add {field}=COLUMN")
