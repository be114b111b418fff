"""The demo shop, generated once for all its tests, and its events as arrays."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from evershelf.demo.shop import ShopReport, generate_shop

SEED = 7
UNTIL = datetime(2026, 3, 14, 15, tzinfo=UTC)


@dataclass(frozen=True)
class Shop:
    """A generated shop: its folder, its report, and its events by number (user -1: anonymous)."""

    folder: Path
    report: ShopReport
    user: NDArray[np.int64]
    item: NDArray[np.int64]
    session: NDArray[np.int64]
    kind: NDArray[np.str_]
    at_us: NDArray[np.int64]

    def pairs(self, kind: str) -> set[tuple[int, int]]:
        """Distinct (user, item) of one event type, known users only."""
        rows = (self.kind == kind) & (self.user >= 0)
        return set(zip(self.user[rows].tolist(), self.item[rows].tolist(), strict=True))


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    folder = tmp_path_factory.mktemp("shop")
    report = generate_shop(folder, seed=SEED, until=UNTIL)
    table = pq.read_table(folder / "events.parquet").combine_chunks()

    def numbers(name: str) -> NDArray[np.int64]:
        column = table[name].combine_chunks().dictionary_encode()
        return column.indices.fill_null(-1).to_numpy().astype(np.int64)

    return Shop(
        folder=folder,
        report=report,
        user=numbers("user_id"),
        item=numbers("item_id"),
        session=numbers("session_id"),
        kind=np.array(table["event_type"].to_pylist()),
        at_us=table["occurred_at"].combine_chunks().cast("int64").to_numpy(),
    )
