"""Reads whole tables for training and the snapshot, as of one instant, with bounded memory."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from evershelf.contracts.catalog import Item, readable
from evershelf.storage.postgres import Connection, connect, translated
from evershelf.storage.queries import sql

ITEMS_PER_FETCH = 2_000


@dataclass(frozen=True, slots=True)
class ShelfItem:
    """An item that may stand on a shelf, and when it came into the catalog."""

    item: Item
    created_at: datetime


class Extraction:
    """One read-only, repeatable view of the database: everything read through it is of the same instant."""

    def __init__(self, connection: Connection, timeout_s: float) -> None:
        self._connection = connection
        self._timeout_s = timeout_s

    async def copy_interactions(self, output: Path, *, until: datetime, event_types: Sequence[str]) -> None:
        """Writes all interactions before `until` as CSV with the header who,item_id,event_type,occurred_s,late."""
        with translated():
            await self._connection.copy_from_query(
                sql("training.interactions"),
                until,
                list(event_types),
                output=output,
                format="csv",
                header=True,
                timeout=self._timeout_s,
            )

    async def items(self) -> AsyncIterator[Item]:
        """All items that are not deleted, with what describes them and nothing else."""
        with translated():
            async for row in self._connection.cursor(sql("training.items"), prefetch=ITEMS_PER_FETCH):
                yield Item.model_validate(readable(dict(row)))

    async def shelf(self) -> AsyncIterator[ShelfItem]:
        """All items that are neither deleted nor suppressed."""
        with translated():
            async for row in self._connection.cursor(sql("training.shelf"), prefetch=ITEMS_PER_FETCH):
                fields = dict(row)
                created_at = fields.pop("created_at")
                yield ShelfItem(Item.model_validate(readable(fields)), created_at)

    async def catalog_sequence(self) -> int:
        """The highest change sequence this view knows."""
        with translated():
            return int(await self._connection.fetchval(sql("training.catalog_sequence")))


@asynccontextmanager
async def extraction(url: str, *, timeout_s: float) -> AsyncIterator[Extraction]:
    """A view of the database for the time of the block; each statement may take `timeout_s`. Raises StorageError."""
    connection = await connect(url, command_timeout_s=timeout_s)
    try:
        with translated():
            # The connection's own limits are made for requests, not for reading everything.
            for limit in ("statement_timeout", "idle_in_transaction_session_timeout"):
                await connection.execute(f"SET {limit} = {int(timeout_s * 1_000)}")
            transaction = connection.transaction(isolation="repeatable_read", readonly=True)
            await transaction.start()
        yield Extraction(connection, timeout_s)
    finally:
        connection.terminate()
