"""Public data sets as they lie on disk, each with its traps: `import_dataset`."""

from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from evershelf.importing.datasets import behaviours, movielens, online_retail, rees46
from evershelf.importing.datasets.plan import Plan
from evershelf.importing.loading import load
from evershelf.importing.rejects import SUFFIX, RejectsFile, rejects_path
from evershelf.importing.report import ImportProblem, ImportReport, ProgressListener


class Dataset(StrEnum):
    """The data sets that import knows by name."""

    MOVIELENS_100K = "movielens-100k"
    MOVIELENS_1M = "movielens-1m"
    ONLINE_RETAIL = "online-retail"
    RETAILROCKET = "retailrocket"
    TMALL = "tmall"
    REES46 = "rees46"


async def import_dataset(
    database_url: str,
    name: str,
    folder: Path,
    *,
    rejects: Path | None = None,
    listener: ProgressListener | None = None,
) -> ImportReport:
    """All of the data set or nothing; raises ImportProblem (unknown name, files missing or broken) or StorageError."""
    plan = _plan(_named(name), folder)
    place = rejects_path(folder / name, rejects)
    assert place.name.endswith(SUFFIX) or rejects is not None
    return await load(
        database_url,
        plan.feeds,
        RejectsFile(place),
        listener=listener,
        items_of_events=plan.items_of_events,
        notes=plan.notes,
    )


def _named(name: str) -> Dataset:
    try:
        return Dataset(name)
    except ValueError as error:
        raise ImportProblem(f"there is no data set {name!r}; there are: {', '.join(Dataset)}") from error


def _plan(dataset: Dataset, folder: Path) -> Plan:
    if not folder.is_dir():
        raise ImportProblem(f"{folder} is no folder: name the one that holds the files of {dataset}")
    now = datetime.now(UTC)
    match dataset:
        case Dataset.MOVIELENS_100K:
            return movielens.hundred_thousand(folder, now)
        case Dataset.MOVIELENS_1M:
            return movielens.one_million(folder, now)
        case Dataset.ONLINE_RETAIL:
            return online_retail.plan(folder, now)
        case Dataset.RETAILROCKET:
            return behaviours.plan(folder / "retail_rocket.parquet", now)
        case Dataset.TMALL:
            return behaviours.plan(folder / "tmall.parquet", now)
        case Dataset.REES46:
            return rees46.plan(folder, now)
