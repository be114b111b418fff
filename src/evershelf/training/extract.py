"""Turns the events of a point in time into arrays, with memory bounded by the arrays themselves."""

import hashlib
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import csv

from evershelf.contracts.events import INTERACTIONS, EventType
from evershelf.models.content import Features, features_of
from evershelf.models.interactions import EVENT_CODES, EVENT_TYPES, SECONDS_PER_DAY, Interactions
from evershelf.models.sparse_rows import Int64s
from evershelf.storage.extract import extraction
from evershelf.training.descriptions import described_items

INTERACTION_TYPES: tuple[EventType, ...] = tuple(kind for kind in EVENT_TYPES if kind in INTERACTIONS)
_BLOCK_BYTES = 8 * 2**20
_COLUMNS = {
    "who": pa.string(),
    "item_id": pa.string(),
    "event_type": pa.string(),
    "occurred_s": pa.float64(),
    "late": pa.int64(),
}


@dataclass(frozen=True, slots=True)
class TrainingData:
    """Interactions over the catalog's items (in order of id), and what was noticed on the way."""

    interactions: Interactions
    item_ids: tuple[str, ...]
    as_of: datetime
    unknown_item_events: int
    late_events: int
    features: Features | None = None  # what the catalog says of the items

    @property
    def end_days(self) -> float:
        """The instant models are fitted for: right after the newest interaction, so that old data sets do not fade."""
        newest = float(self.interactions.days.max()) if len(self.interactions) else 0.0
        return newest + 1 / SECONDS_PER_DAY

    def sha256(self) -> str:
        """The fingerprint of everything a model is fitted on."""
        digest = hashlib.sha256("\n".join(self.item_ids).encode())
        for array in (
            self.interactions.users,
            self.interactions.items,
            self.interactions.days,
            self.interactions.kinds,
        ):
            digest.update(array.tobytes())
        if self.features is not None:
            digest.update(self.features.indices.tobytes())
            digest.update(self.features.data.tobytes())
        return digest.hexdigest()


async def extract(url: str, *, as_of: datetime, timeout_s: float) -> TrainingData:
    """All interactions with occurred_at < as_of, over all items that are not deleted. Raises StorageError."""
    with tempfile.TemporaryDirectory(prefix="evershelf-extract-") as folder:
        path = Path(folder) / "interactions.csv"
        async with extraction(url, timeout_s=timeout_s) as view:
            await view.copy_interactions(path, until=as_of, event_types=INTERACTION_TYPES)
            catalog = {item.item_id: next(described_items([item])) async for item in view.items()}
        # In order of id: the database's collation must not decide.
        item_ids = sorted(catalog)
        data = read_interactions(path, item_ids, as_of=as_of)
        return replace(data, features=features_of(catalog[item_id] for item_id in item_ids))


def read_interactions(path: Path, item_ids: Sequence[str], *, as_of: datetime) -> TrainingData:
    """The interactions of an extracted CSV file over the given items; those with other items are only counted."""
    index_of = {item_id: index for index, item_id in enumerate(item_ids)}
    number_of: dict[str, int] = {}
    parts: list[tuple[npt.NDArray[np.generic], ...]] = []
    unknown = late = 0
    options = csv.ConvertOptions(column_types=_COLUMNS, strings_can_be_null=False)
    with csv.open_csv(path, read_options=csv.ReadOptions(block_size=_BLOCK_BYTES), convert_options=options) as reader:
        for batch in reader:
            items = _coded(batch.column("item_id"), index_of)
            known = items >= 0
            unknown += int((~known).sum())
            late += int(batch.column("late").to_numpy().sum())
            users = _numbered(batch.column("who").filter(pa.array(known)), number_of)
            kinds = _coded(batch.column("event_type"), {str(kind): code for kind, code in EVENT_CODES.items()})
            days = batch.column("occurred_s").to_numpy() / SECONDS_PER_DAY
            parts.append(
                (users.astype(np.int32), items[known].astype(np.int32), days[known], kinds[known].astype(np.int8))
            )
    interactions = _joined(parts, number_of, len(item_ids))
    return TrainingData(interactions, tuple(item_ids), as_of, unknown, late)


def _coded(column: "pa.Array[pa.StringScalar]", codes: dict[str, int]) -> Int64s:
    """Each text's code, -1 where it has none; looked up once for each distinct text of the batch."""
    encoded = column.dictionary_encode()
    table = np.array([codes.get(str(text), -1) for text in encoded.dictionary.to_pylist()], np.int64)
    return np.asarray(table[encoded.indices.to_numpy()], np.int64) if len(table) else np.empty(0, np.int64)


def _numbered(column: "pa.Array[pa.StringScalar]", number_of: dict[str, int]) -> Int64s:
    """The same, giving new texts the next number."""
    for text in column.unique().to_pylist():
        number_of.setdefault(str(text), len(number_of))
    return _coded(column, number_of)


def _joined(parts: list[tuple[npt.NDArray[np.generic], ...]], number_of: dict[str, int], items: int) -> Interactions:
    # Users are renumbered by id: the order in which the database gives rows must not reach the model.
    place_of = np.empty(len(number_of), np.int32)
    place_of[[number_of[text] for text in sorted(number_of)]] = np.arange(len(number_of), dtype=np.int32)
    types = (np.int32, np.int32, np.float64, np.int8)
    users, columns, days, kinds = (
        np.concatenate([np.empty(0, kind), *(part[place] for part in parts)]) for place, kind in enumerate(types)
    )
    return Interactions.ordered(
        place_of[users.astype(np.int64)] if len(users) else np.empty(0, np.int32),
        columns.astype(np.int32),
        days.astype(np.float64),
        kinds.astype(np.int8),
        user_count=len(number_of),
        item_count=items,
    )
