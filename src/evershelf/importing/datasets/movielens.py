"""MovieLens 100K (ratings with times) and MovieLens 1M (order of each user's films, no times, no ratings)."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from evershelf.importing.csv_rows import CsvRows
from evershelf.importing.datasets.plan import Cleaning, Plan, as_it_is, event_feed, item_feed, user_feed, with_columns
from evershelf.importing.loading import Feed
from evershelf.importing.opening import explained, open_bytes
from evershelf.importing.parquet_rows import ParquetRows
from evershelf.importing.rows import RowBatch, Verdict
from evershelf.importing.times import INSTANT

# MovieLens 1M was gathered from 2000 on; the year is made up, its place in time is not.
SYNTHETIC_START = datetime(2000, 5, 1, tzinfo=UTC)
SYNTHETIC_SPAN = timedelta(days=365)
USERS_MAX = 2**15  # the file's user ids are int16

_NOTE = (
    "MovieLens 1M here has no times: each user's films were spread evenly, in their order, over the year from "
    f"{SYNTHETIC_START:%Y-%m-%d}. Order within a user is real; hours, seasons and order between users are not."
)


def hundred_thousand(folder: Path, now: datetime) -> Plan:
    """Ratings as `rate` with the rating as value; titles with their year; genres as categories."""
    ratings, films, users = folder / "ml-100k.inter", folder / "movies_titles_genres.csv", folder / "ml-100k.user"
    fields = {
        "user_id": "user_id:token",
        "item_id": "item_id:token",
        "occurred_at": "timestamp:float",
        "event_type": "=rate",
        "value": "rating:float",
    }
    attributes = {"age": "age:token", "gender": "gender:token", "occupation": "occupation:token"}
    return Plan(
        (
            user_feed(users, CsvRows(users, delimiter="\t"), "user_id:token", attributes),
            _films(films, ("year",)),
            event_feed(ratings, CsvRows(ratings, delimiter="\t"), fields, now, clean=as_it_is),
        )
    )


def one_million(folder: Path, now: datetime) -> Plan:
    """Pairs as `consume` at made-up times that keep each user's order; pairs of unknown place are rejected."""
    pairs, films, users = folder / "interactions_ordered.parquet", folder / "movies.csv", folder / "users.csv"
    fields = {"user_id": "user_id", "item_id": "movie_id", "occurred_at": "synthetic_time", "event_type": "=consume"}
    attributes = {"age": "age", "gender": "gender", "occupation": "occupation"}
    return Plan(
        (
            user_feed(users, CsvRows(users), "user_id", attributes),
            _films(films, ()),
            event_feed(pairs, ParquetRows(pairs), fields, now, clean=_spread(history_lengths(pairs))),
        ),
        notes=(_NOTE,),
    )


def _films(path: Path, attributes: tuple[str, ...]) -> Feed:
    fields = {"item_id": "movie_id", "title": "title", "categories": "genres"}
    return item_feed(path, CsvRows(path, delimiter=","), fields, attributes=attributes, clean=as_it_is)


def history_lengths(path: Path) -> NDArray[np.int64]:
    """Each user's number of films with a known place, indexed by user id."""
    open_bytes(path).raw.close()
    lengths = np.zeros(USERS_MAX, dtype=np.int64)
    with explained(path), pq.ParquetFile(path) as file:
        for batch in file.iter_batches(columns=["user_id", "position"], use_threads=False):
            users, positions = (column.to_numpy().astype(np.int64) for column in batch.columns)
            np.maximum.at(lengths, users, positions + 1)
    return lengths


def _spread(lengths: NDArray[np.int64]) -> Cleaning:
    """Place p of n films becomes the instant (p + 1) / (n + 1) of the year: in order, and everybody's last films late.

    Starting everybody on the same day at a fixed pace instead would leave only heavy users after any point in time.
    """
    start_us = int(SYNTHETIC_START.timestamp()) * 1_000_000
    span_us = SYNTHETIC_SPAN // timedelta(microseconds=1)

    def clean(batch: RowBatch, verdict: Verdict) -> RowBatch:
        users = batch.rows.column("user_id").to_numpy().astype(np.int64)
        positions = batch.rows.column("position").to_numpy().astype(np.int64)
        verdict.reject(positions < 0, "no_position")
        times = start_us + span_us * (positions + 1) // (lengths[users] + 1)
        return with_columns(batch, {"synthetic_time": pa.array(times).cast(INSTANT)})

    return clean
