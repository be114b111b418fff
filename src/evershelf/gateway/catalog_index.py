"""The catalog that a shop page browses and searches: an index beside the shelf, rebuilt for every snapshot."""

import asyncio

import structlog

from evershelf.gateway.background import end
from evershelf.gateway.catalog_words import CatalogWords
from evershelf.gateway.snapshot import SnapshotHolder
from evershelf.gateway.telemetry import Telemetry

LOOK_EVERY_S = 0.25
log = structlog.get_logger()


class CatalogIndex:
    """Follows the shelf in use. `words` is None until the first index is built, and may lag a new snapshot by seconds.

    Built in a thread that pauses often, so that answers are not held up.
    """

    def __init__(self, snapshots: SnapshotHolder, telemetry: Telemetry) -> None:
        self._snapshots = snapshots
        self._telemetry = telemetry
        self._failed_version = ""
        self._task: asyncio.Task[None] | None = None
        self.words: CatalogWords | None = None

    async def start(self) -> None:
        """Begins to follow and returns at once."""
        self._task = asyncio.create_task(self._follow(), name="catalog index")

    async def close(self) -> None:
        """Stops following."""
        await end(self._task)

    async def _follow(self) -> None:
        while True:
            shelf = self._snapshots.current
            known = self.words.version if self.words is not None else None
            if shelf.version not in {known, self._failed_version}:
                try:
                    self.words = await asyncio.to_thread(CatalogWords, shelf)
                except Exception as error:  # noqa: BLE001 - the source boundary: pages go on with the index before
                    self._telemetry.caught("catalog_index", error)
                    self._failed_version = shelf.version
            await asyncio.sleep(LOOK_EVERY_S)
