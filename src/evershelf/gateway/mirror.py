"""What the gateway keeps of PostgreSQL besides the snapshot: keys, placements, item changes; in memory and on disk.

News are asked for twice and count where both replies say the same: one flipped bit would shut a key out, or skip all
suppressions up to a sequence that never was. Where there are none, nothing is asked twice.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import chain
from math import inf
from pathlib import Path

import structlog
from pydantic import ValidationError

from evershelf.contracts.catalog import ItemState
from evershelf.contracts.erasures import Erasure
from evershelf.contracts.keys import StoredKey
from evershelf.contracts.placements import DEFAULT_PLACEMENTS, Placement
from evershelf.gateway.database import DatabaseLink
from evershelf.gateway.item_changes import Hide, ItemChanges, hide_of
from evershelf.gateway.mirror_file import Mirrored, MirrorFile, opened
from evershelf.gateway.settings import GatewaySettings
from evershelf.storage.catalog import changes_since
from evershelf.storage.erasures import erasure_salt, erasures_since
from evershelf.storage.errors import StorageError
from evershelf.storage.keys import list_keys
from evershelf.storage.placements import list_placements
from evershelf.storage.postgres import Pool

FILE_NAME = "mirror.json"
CHANGES_A_POLL_MAX = 500
FIRST_START_WAIT_S = 1.5
ITEMS_CHANNEL = "evershelf_items"
# So many are taken in and laid over the shelf before others get the event loop: two to three milliseconds.
CHANGES_A_TURN = 250
# Beyond this many changes since the snapshot an item's change is kept as until when it may be shown, if it says so (at
# most one for every item of the catalog, some 250 bytes each); new items and other news wait for the next snapshot.
CHANGES_MAX = 10_000
# Erasures kept in memory; older ones hold in PostgreSQL, where everything that is stored passes them.
ERASURES_MAX = 10_000

log = structlog.get_logger()


class Mirror:
    """Follows PostgreSQL every `gateway_mirror_poll_s`; what it knew last survives PostgreSQL and a restart."""

    def __init__(self, settings: GatewaySettings, database: DatabaseLink, *, changes_max: int = CHANGES_MAX) -> None:
        self._settings = settings
        self._database = database
        self._changes_max = changes_max
        self._file = MirrorFile(settings.gateway_data_dir / FILE_NAME)
        self._told: Callable[[Sequence[str]], None] = lambda _: None
        self._following: asyncio.Task[None] | None = None
        self._writing: asyncio.Task[None] | None = None
        self._notified = asyncio.Event()
        database.listen(ITEMS_CHANNEL, self._notified.set)
        self._sequence = 0
        self._base = 0
        self._unwritten = False
        self.failures = 0  # polls that met something unforeseen
        self.keys: Mapping[str, StoredKey] = {}
        self.placements: Mapping[str, Placement] = {}
        self.steady = asyncio.Lock()  # while it is held, what is known of items stays as it is
        self.changes: ItemChanges[ItemState] = ItemChanges()
        self.hides: ItemChanges[Hide] = ItemChanges()  # of other items than `changes`
        self._told_of_erasures: Callable[[Sequence[Erasure]], None] = lambda _: None
        self._erasures: tuple[Erasure, ...] = ()
        self.erasure_salt = b""
        self.erased: Mapping[str, float] = {}  # by digest: until when (Unix) everything was erased

    def on_change(self, tell: Callable[[Sequence[str]], None]) -> None:
        """`tell` is called with the ids of items of which something else is known than before, a few at a time."""
        self._told = tell

    def on_erasures(self, tell: Callable[[Sequence[Erasure]], None]) -> None:
        """`tell` is called with erasures that were not known before."""
        self._told_of_erasures = tell

    def known(self, item_id: str) -> ItemState | Hide | None:
        """The item's newest change since the snapshot, or what is kept of it."""
        return self.changes.get(item_id) or self.hides.get(item_id)

    @property
    def items_changed(self) -> int:
        """Of how many items something is known that the snapshot does not say."""
        return len(self.changes) + len(self.hides)

    async def start(self) -> None:
        """Takes up what the file holds, looks once whether PostgreSQL has news, and begins to follow."""
        await self._take_up(await asyncio.to_thread(self._file.read))
        if not self.keys:  # a first start: without PostgreSQL nobody could be let in, so it gets a moment to answer
            with suppress(TimeoutError):
                await asyncio.wait_for(self._database.wait_connected(), FIRST_START_WAIT_S)
        await self._look_safely()
        self._following = asyncio.create_task(self._follow())

    async def close(self) -> None:
        """Stops following."""
        for task in (self._following, self._writing):
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    async def refresh(self) -> None:
        """Looks for news once. Without PostgreSQL, or when it fails, all stays as it is.

        Raises OSError of the disk, and ValueError where the file could not be read again.
        """
        await self._look()
        if self._writing is not None:
            await asyncio.wait({self._writing})  # one at a time: both would write the same file
        await self._write()

    async def _look(self) -> None:
        pool = self._database.pool
        if pool is None:
            return
        try:
            news = await self._ask(pool)
            if news != self._rest() and news == await self._ask(pool):
                self._become(news)
                self._unwritten = True
            await self._ask_items(pool)
        except StorageError as error:
            log.warning("mirror_not_refreshed", error=str(error))

    async def _write(self) -> None:
        if self._unwritten:
            self._unwritten = False
            sequences = {
                "base": self._base,
                "sequence": self._base if self.hides else self._sequence,
                "sequence_with_hides": self._sequence if self.hides else 0,
            }
            rest = self._rest().model_copy(update=sequences)
            try:
                await asyncio.to_thread(self._file.write, rest, self.changes.held(), self.hides.held())
            except BaseException:
                self._unwritten = True
                raise

    async def rebase(self, catalog_sequence: int) -> None:
        """A snapshot that knows the catalog up to `catalog_sequence` is in use: older changes are part of it.

        To be called by the holder of `steady`.
        """
        # After a step back to an older snapshot, changes are missing that were dropped: they are asked for again.
        stepped_back = catalog_sequence < self._base
        self._sequence = catalog_sequence if stepped_back else max(self._sequence, catalog_sequence)
        self._base = catalog_sequence
        for _ in chain(self.changes.forget(catalog_sequence), self.hides.forget(catalog_sequence)):
            await asyncio.sleep(0)

    async def _follow(self) -> None:
        while True:
            with suppress(TimeoutError):  # a notification is quicker than the poll, and may be lost
                await asyncio.wait_for(self._notified.wait(), self._settings.gateway_mirror_poll_s)
            self._notified.clear()
            await self._look_safely()

    async def _look_safely(self) -> None:
        try:
            await self._look()
        except Exception as error:  # noqa: BLE001 - the source boundary: following outlives whatever it meets
            self.failures += 1
            log.error("mirror_failed", error=type(error).__name__)  # noqa: TRY400 - its text may quote rows
        # A disk that hangs must not hold up the next suppression: one writing at a time, and nobody waits for it.
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_safely())

    async def _write_safely(self) -> None:
        try:
            await self._write()
        except OSError as error:  # the news is in memory all the same, and written after the next look
            log.warning("mirror_not_written", error=str(error))
        except ValueError as error:  # the file before stays, which can be read
            self.failures += 1
            log.error("mirror_not_readable", error=type(error).__name__)  # noqa: TRY400 - its text may quote rows

    async def _ask(self, pool: Pool) -> Mirrored:
        """All but the items."""
        keys, placements = await list_keys(pool), await self._ask_placements(pool)
        # Another salt: a database of elsewhere was restored in place of this one, and its erasures are numbered anew.
        salt = await erasure_salt(pool)
        erasures = list(self._erasures) if salt == self.erasure_salt else []
        while more := await erasures_since(pool, erasures[-1].sequence if erasures else 0):
            erasures += more
        return Mirrored(
            erasure_salt=salt.hex(),
            erasures=tuple(erasures[-ERASURES_MAX:]),
            keys=tuple(keys),
            placements=tuple(_by_name((*DEFAULT_PLACEMENTS, *placements)).values()),
        )

    async def _ask_items(self, pool: Pool) -> None:
        while states := await changes_since(pool, asked := self._sequence, limit=CHANGES_A_POLL_MAX):
            async with self.steady:
                if self._sequence == asked:  # else a snapshot came into use meanwhile: it is asked again from there
                    await self._take([(state.item.item_id, state) for state in states])
                    self._sequence = states[-1].change_sequence
                    self._unwritten = True

    async def _ask_placements(self, pool: Pool) -> Iterable[Placement]:
        try:
            return await list_placements(pool)
        except ValidationError:  # one of another version must not keep a suppression from coming through
            self.failures += 1
            log.warning("placements_not_understood")
            return self.placements.values()

    def _rest(self) -> Mirrored:
        """All but the items; not validated, since it comes from here."""
        return Mirrored.model_construct(
            erasure_salt=self.erasure_salt.hex(),
            erasures=self._erasures,
            keys=tuple(self.keys.values()),
            placements=tuple(self.placements.values()),
        )

    async def _take_up(self, content: Mirrored) -> None:
        """What the file holds."""
        self._become(content)
        async with self.steady:
            if content.base <= self._base:  # else the changes between the two bases are missing from it: ask again
                self._sequence = max(self._sequence, content.sequence, content.sequence_with_hides)
            hides = (
                (item_id, Hide(change, -inf if end is None else end, *why))
                for item_id, change, end, *why in content.hides
            )
            known: Iterable[tuple[str, ItemState | Hide]] = chain(
                ((state.item.item_id, state) for state in content.changes), hides
            )
            await self._take([(item_id, news) for item_id, news in known if news.change_sequence > self._base])

    async def _take(self, news: "Sequence[tuple[str, ItemState | Hide]]") -> None:
        """In turns, so that a whole catalog that changes does not hold up the answers."""
        for start in range(0, len(news), CHANGES_A_TURN):
            await asyncio.sleep(0)
            turn = news[start : start + CHANGES_A_TURN]
            if other := [item_id for item_id, each in turn if self._keep(item_id, each)]:
                self._told(other)

    def _keep(self, item_id: str, news: ItemState | Hide) -> bool:
        """Whether something else is known of the item now."""
        if isinstance(news, ItemState) and (item_id in self.changes or len(self.changes) < self._changes_max):
            self.changes.put(item_id, news)
            self.hides.drop(item_id)
            return True
        if (hide := hide_of(news)) is None:
            return self.hides.drop(item_id)
        self.hides.put(item_id, hide)
        return True

    def _become(self, content: Mirrored) -> None:
        self.keys = {key.key_id: key for key in content.keys}
        self.placements = _by_name(content.placements)
        self._become_erased(content)

    def _become_erased(self, content: Mirrored) -> None:
        salt = bytes.fromhex(content.erasure_salt)
        if salt != self.erasure_salt:
            self.erasure_salt, self._erasures, self.erased = salt, (), {}
        last = self._erasures[-1].sequence if self._erasures else 0
        if news := [erasure for erasure in content.erasures if erasure.sequence > last]:
            self._erasures = content.erasures
            self.erased = {erasure.digest: erasure.erased_at.timestamp() for erasure in content.erasures}
            self._told_of_erasures(news)


def read_erasures(path: Path) -> tuple[Erasure, ...]:
    """The erasures that a mirror's file remembers. Raises OSError, and ValueError for a damaged file."""
    return opened(path.read_bytes()).erasures


def _by_name(placements: Iterable[Placement]) -> dict[str, Placement]:
    return {placement.name: placement for placement in placements}
