"""The verb `retention`: drops what is no longer kept; `refresh --every` does the same once a day."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from evershelf.cli.context import operator
from evershelf.cli.options import AsJson, DataDir
from evershelf.cli.output import print_json, print_progress, print_table
from evershelf.cli.training import migrated, repeat, seconds_of

if TYPE_CHECKING:
    from evershelf.storage.retention import Tidied


DAY_S = 86_400.0


def retention(
    every: Annotated[str | None, typer.Option("--every", help="Repeat, such as 12h.")] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Drop months of events and decisions that are no longer kept; make next month's tables; say what takes room."""
    interval_s = None if every is None else seconds_of(every)
    with migrated(data_dir) as url:
        if interval_s is None:
            _tell(tidied(url), as_json=as_json)
        else:
            repeat(lambda: _tell(tidied(url), as_json=as_json), interval_s, verb="retention")


def daily(
    url: str, *, now_s: Callable[[], float] = time.monotonic, tidy_up: Callable[[str], object] | None = None
) -> Callable[[], None]:
    """A function that tidies when it is called for the first time, and then again after DAY_S."""
    done_at_s: float | None = None

    def keep_house() -> None:
        nonlocal done_at_s
        if done_at_s is None or now_s() - done_at_s >= DAY_S:
            (tidy_up or tidied)(url)
            done_at_s = now_s()

    return keep_house


def tidied(url: str) -> "Tidied":
    """One round by the settings. Raises StorageUnavailable."""
    from evershelf.storage.retention import tidy
    from evershelf.storage.settings import RetentionSettings

    done = asyncio.run(tidy(url, RetentionSettings(), now=datetime.now(UTC), actor=operator()))
    if done.dropped or done.dead_letters:
        print_progress(f"evershelf retention: dropped {', '.join(done.dropped) or 'no month'}, "
                       f"{done.dead_letters} dead letters")  # fmt: skip
    return done


def _tell(done: "Tidied", *, as_json: bool) -> None:
    if as_json:
        print_json({"dropped": done.dropped, "dead_letters": done.dead_letters, "sizes_bytes": done.sizes_bytes})
    else:
        rows = [(table, f"{size / 1e6:.1f}") for table, size in sorted(done.sizes_bytes.items())]
        print_table("On disk", ("table", "MB"), rows)
