"""The verb `import`: events, items and users from files, and public data sets."""

import asyncio
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from evershelf.cli.context import open_database
from evershelf.cli.options import AsJson, DataDir
from evershelf.cli.output import print_json, print_line, print_table

if TYPE_CHECKING:
    from evershelf.importing.files import FileOptions
    from evershelf.importing.report import ImportReport, Progress, ProgressListener

import_app = typer.Typer(help="Bring in events, items and users.", no_args_is_help=True, rich_markup_mode=None)

File = Annotated[Path, typer.Argument(help="CSV, JSONL or Parquet; gzip and zstd too.")]
Map = Annotated[str, typer.Option("--map", help="FIELD=COLUMN,... or FIELD==constant")]
DatabaseUrl = Annotated[str | None, typer.Option("--database-url", help="PostgreSQL to import into.")]
Rejects = Annotated[Path | None, typer.Option("--rejects", help="Where rejected rows go.")]
Format = Annotated[str | None, typer.Option("--format", help="csv, jsonl or parquet; told by content otherwise.")]
Delimiter = Annotated[str | None, typer.Option("--delimiter", help="Of CSV; found out otherwise.")]
Encoding = Annotated[str, typer.Option("--encoding", help="Of CSV.")]
TimeUnit = Annotated[str | None, typer.Option("--time-unit", help="Of epoch numbers: s, ms, us, ns; else found out.")]
TimeZone = Annotated[str, typer.Option("--time-zone", help="Of times that carry none.")]
Attributes = Annotated[str, typer.Option("--attributes", help="Columns to keep as attributes; * for all, empty: none.")]
Run: TypeAlias = "Callable[[str, ProgressListener | None], Coroutine[Any, Any, ImportReport]]"


@import_app.command("events")
def events(
    file: File,
    *,
    columns: Map,
    create_items: Annotated[bool, typer.Option("--create-items", help="Make bare items for unknown ids.")] = False,
    event_names: Annotated[str, typer.Option("--event-names", help="NAME=event_type,... for other names.")] = "",
    file_format: Format = None,
    delimiter: Delimiter = None,
    encoding: Encoding = "utf-8",
    time_unit: TimeUnit = None,
    time_zone: TimeZone = "UTC",
    rejects: Rejects = None,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Add a file's events. Fields: user_id, session_id, item_id, occurred_at, event_type, value, event_id."""
    from evershelf.importing.files import EventOptions, import_events
    from evershelf.importing.mapping import event_names_map, events_map

    options = _options(file_format, delimiter, encoding, time_unit=time_unit, zone=time_zone, rejects=rejects)
    wanted = EventOptions(event_names_map(event_names), create_items)
    mapped = events_map(columns)
    _run(
        lambda url, listener: import_events(url, file, mapped, options=options, events=wanted, listener=listener),
        database_url,
        data_dir,
        as_json,
    )


@import_app.command("items")
def items(
    file: File,
    *,
    columns: Map,
    separator: Annotated[str, typer.Option("--separator", help="Between categories and between tags.")] = "|",
    price_unit: Annotated[str, typer.Option("--price-unit", help="major (12.34) or minor (1234).")] = "major",
    attributes: Attributes = "*",
    file_format: Format = None,
    delimiter: Delimiter = None,
    encoding: Encoding = "utf-8",
    time_unit: TimeUnit = None,
    time_zone: TimeZone = "UTC",
    rejects: Rejects = None,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Add or update a file's items. Fields: item_id, title, categories, price, currency, image_url, page_url, ..."""
    from evershelf.importing.files import ItemOptions, import_items
    from evershelf.importing.items import PriceUnit
    from evershelf.importing.mapping import items_map

    options = _options(file_format, delimiter, encoding, time_unit=time_unit, zone=time_zone, rejects=rejects)
    wanted = ItemOptions(separator, _choice(PriceUnit, price_unit, "--price-unit"), _names(attributes))
    mapped = items_map(columns)
    _run(
        lambda url, listener: import_items(url, file, mapped, options=options, items=wanted, listener=listener),
        database_url,
        data_dir,
        as_json,
    )


@import_app.command("users")
def users(
    file: File,
    *,
    columns: Map,
    attributes: Attributes = "*",
    file_format: Format = None,
    delimiter: Delimiter = None,
    encoding: Encoding = "utf-8",
    rejects: Rejects = None,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Add or update a file's users. Field: user_id."""
    from evershelf.importing.files import import_users
    from evershelf.importing.mapping import users_map

    options = _options(file_format, delimiter, encoding, time_unit=None, zone="UTC", rejects=rejects)
    mapped, kept = users_map(columns), _names(attributes)
    _run(
        lambda url, listener: import_users(url, file, mapped, options=options, attributes=kept, listener=listener),
        database_url,
        data_dir,
        as_json,
    )


@import_app.command("dataset")
def dataset(
    name: Annotated[str, typer.Argument(help="movielens-100k|-1m, online-retail, retailrocket, tmall, rees46")],
    folder: Annotated[Path, typer.Argument(help="The folder with its files.")],
    *,
    rejects: Rejects = None,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Bring in a public data set: its users, items and events, cleaned as its description says."""
    from evershelf.importing.datasets import import_dataset

    _run(
        lambda url, listener: import_dataset(url, name, folder, rejects=rejects, listener=listener),
        database_url,
        data_dir,
        as_json,
    )


def _options(
    file_format: str | None,
    delimiter: str | None,
    encoding: str,
    *,
    time_unit: str | None,
    zone: str,
    rejects: Path | None,
) -> "FileOptions":
    from evershelf.importing.files import FileOptions
    from evershelf.importing.opening import FileFormat
    from evershelf.importing.times import TimeUnit as Unit

    return FileOptions(
        format=None if file_format is None else _choice(FileFormat, file_format, "--format"),
        delimiter="\t" if delimiter == "\\t" else delimiter,
        encoding=encoding,
        time_unit=None if time_unit is None else _choice(Unit, time_unit, "--time-unit"),
        time_zone=zone,
        rejects=rejects,
    )


def _choice(kind: Any, text: str, option: str) -> Any:  # noqa: ANN401 - any StrEnum class, and a member of it
    try:
        return kind(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is none of {', '.join(kind)}", param_hint=option) from error


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _run(run: Run, database_url: str | None, data_dir: Path | None, as_json: bool) -> None:
    from evershelf.storage.migrate import migrate

    with _database(database_url, data_dir) as url:
        asyncio.run(migrate(url))
        with _progress(as_json) as listener:
            report = asyncio.run(run(url, listener))
    if as_json:
        print_json({**asdict(report), "rows_per_s": round(report.rows_per_s)})
    else:
        _print_summary(report)


@contextmanager
def _database(database_url: str | None, data_dir: Path | None) -> Iterator[str]:
    if database_url is not None:
        yield database_url
        return
    with open_database(data_dir) as url:
        yield url


@contextmanager
def _progress(as_json: bool) -> "Iterator[ProgressListener | None]":
    """A bar with rate and remaining time on a terminal's standard error; nothing elsewhere."""
    if as_json or not sys.stderr.isatty():
        yield None
        return
    from rich import progress as bars
    from rich.console import Console

    columns = (
        bars.TextColumn("{task.description}"),
        bars.BarColumn(),
        bars.TaskProgressColumn(),
        bars.TextColumn("{task.fields[rows]} rows"),
        bars.TextColumn("{task.fields[rate]}/s"),
        bars.TimeRemainingColumn(),
    )
    with bars.Progress(*columns, console=Console(stderr=True)) as bar:
        tasks: dict[str, bars.TaskID] = {}

        def show(progress: "Progress") -> None:
            if progress.step not in tasks:
                tasks[progress.step] = bar.add_task(progress.step, total=None, rows="0", rate="-")
            task = tasks[progress.step]
            elapsed_s = next(t.elapsed or 0.0 for t in bar.tasks if t.id == task)
            rate = f"{progress.rows / elapsed_s:,.0f}" if elapsed_s > 0 else "-"
            bar.update(task, total=progress.total, completed=progress.done, rows=f"{progress.rows:,}", rate=rate)

        yield show


def _print_summary(report: "ImportReport") -> None:
    rows = [
        (table, f"{counts.inserted:,}", f"{counts.updated:,}", f"{counts.duplicates:,}")
        for table, counts in report.tables.items()
    ]
    print_table("Imported", ("table", "new", "updated", "already there"), rows)
    if report.rejected:
        reasons = [(reason, f"{count:,}") for reason, count in report.rejected.items()]
        print_table("Rejected", ("reason", "rows"), reasons)
        print_line(f"rejected rows, with line and reason: {report.rejects_path}")
    for note in report.notes:
        print_line(f"note: {note}")
    print_line(f"{report.read:,} rows read in {report.seconds:.1f} s ({report.rows_per_s:,.0f}/s)")
