"""Imports one file of events, items or users: `import_events`, `import_items`, `import_users`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from evershelf.contracts.catalog import ATTRIBUTES_MAX
from evershelf.contracts.events import EventType
from evershelf.importing.csv_rows import CsvRows
from evershelf.importing.events import EVENT_NAMES, EventShaper
from evershelf.importing.items import ALL_ATTRIBUTES, ItemShaper, PriceUnit, UserShaper
from evershelf.importing.jsonl_rows import JsonlRows
from evershelf.importing.loading import Feed, Target, load
from evershelf.importing.mapping import ColumnMap
from evershelf.importing.opening import FileFormat, format_of
from evershelf.importing.parquet_rows import ParquetRows
from evershelf.importing.rejects import RejectsFile, rejects_path
from evershelf.importing.report import ImportProblem, ImportReport, ProgressListener
from evershelf.importing.rows import RowReader
from evershelf.importing.times import TimeReader, TimeUnit


@dataclass(frozen=True, slots=True)
class FileOptions:
    """How a file is to be read. None means: find out."""

    format: FileFormat | None = None
    delimiter: str | None = None
    encoding: str = "utf-8"
    time_unit: TimeUnit | None = None
    time_zone: str = "UTC"
    rejects: Path | None = None


@dataclass(frozen=True, slots=True)
class EventOptions:
    """`names`: more event names than EVENT_NAMES knows. `create_items`: bare items for ids the catalog lacks."""

    names: Mapping[str, EventType] = field(default_factory=dict)
    create_items: bool = False


@dataclass(frozen=True, slots=True)
class ItemOptions:
    """`separator` of categories and tags; `attributes`: the columns to keep, ("*",) for all that are not mapped."""

    separator: str = "|"
    price_unit: PriceUnit = PriceUnit.MAJOR
    attributes: tuple[str, ...] = ALL_ATTRIBUTES


async def import_events(
    database_url: str,
    path: Path,
    columns: ColumnMap,
    *,
    options: FileOptions = FileOptions(),
    events: EventOptions = EventOptions(),
    listener: ProgressListener | None = None,
) -> ImportReport:
    """Adds the file's events; those already there stay. Raises ImportProblem or StorageError, and adds nothing then."""
    names = EVENT_NAMES | {name.lower(): event_type for name, event_type in events.names.items()}
    times = TimeReader(options.time_unit, options.time_zone)
    shaper = EventShaper(columns, times, datetime.now(UTC), names)
    feed = Feed(Target.EVENTS, path.name, open_rows(path, options), shaper, columns)
    rejects = RejectsFile(rejects_path(path, options.rejects))
    return await load(database_url, [feed], rejects, listener=listener, items_of_events=events.create_items)


async def import_items(
    database_url: str,
    path: Path,
    columns: ColumnMap,
    *,
    options: FileOptions = FileOptions(),
    items: ItemOptions = ItemOptions(),
    listener: ProgressListener | None = None,
) -> ImportReport:
    """Adds or updates the file's items; columns it does not speak of keep what is stored. Raises as `import_events`."""
    reader = open_rows(path, options)
    _check_attributes(reader, columns, items.attributes, path)
    shaper = ItemShaper(
        columns,
        lambda: TimeReader(options.time_unit, options.time_zone),
        separator=items.separator,
        price_unit=items.price_unit,
        attributes=items.attributes,
    )
    feed = Feed(Target.ITEMS, path.name, reader, shaper, columns, shaper.fields())
    return await load(database_url, [feed], RejectsFile(rejects_path(path, options.rejects)), listener=listener)


async def import_users(
    database_url: str,
    path: Path,
    columns: ColumnMap,
    *,
    options: FileOptions = FileOptions(),
    attributes: tuple[str, ...] = ALL_ATTRIBUTES,
    listener: ProgressListener | None = None,
) -> ImportReport:
    """Adds or updates the file's users. Raises as `import_events`."""
    reader = open_rows(path, options)
    _check_attributes(reader, columns, attributes, path)
    fields = ("attributes",) if attributes else ()
    feed = Feed(Target.USERS, path.name, reader, UserShaper(columns, attributes), columns, fields)
    return await load(database_url, [feed], RejectsFile(rejects_path(path, options.rejects)), listener=listener)


def open_rows(path: Path, options: FileOptions) -> RowReader:
    """The reader for the file's format; raises ImportProblem."""
    match format_of(path, options.format):
        case FileFormat.CSV:
            return CsvRows(path, delimiter=options.delimiter, encoding=options.encoding)
        case FileFormat.JSONL:
            return JsonlRows(path)
        case FileFormat.PARQUET:
            return ParquetRows(path)


def _check_attributes(reader: RowReader, columns: ColumnMap, wanted: tuple[str, ...], path: Path) -> None:
    present = reader.columns
    missing = sorted(set(wanted) - set(present)) if present and wanted != ALL_ATTRIBUTES else []
    if missing:
        raise ImportProblem(f"{path.name} has no column {', '.join(map(repr, missing))}: correct --attributes")
    kept = set(present) - columns.columns() if wanted == ALL_ATTRIBUTES else set(wanted)
    if len(kept) > ATTRIBUTES_MAX:
        raise ImportProblem(
            f"{len(kept)} columns would become attributes, at most {ATTRIBUTES_MAX} can: name them with --attributes"
        )
