"""What the gateway keeps of PostgreSQL besides the snapshot: keys, placements, item changes; in memory and on disk."""

import asyncio
import hashlib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import structlog
from pydantic import BaseModel, ConfigDict, ValidationError

from evershelf.contracts.catalog import ItemState
from evershelf.contracts.erasures import Erasure
from evershelf.contracts.keys import StoredKey
from evershelf.contracts.placements import DEFAULT_PLACEMENTS, Placement
from evershelf.gateway.database import DatabaseLink
from evershelf.gateway.settings import GatewaySettings
from evershelf.storage.catalog import changes_since
from evershelf.storage.erasures import erasure_salt, erasures_since
from evershelf.storage.errors import StorageError
from evershelf.storage.keys import list_keys
from evershelf.storage.placements import list_placements
from evershelf.storage.postgres import Pool

FILE_NAME = "mirror.json"
CHANGES_A_POLL_MAX = 1_000
FIRST_START_WAIT_S = 1.5
ITEMS_CHANNEL = "evershelf_items"
# Beyond this many changes since the snapshot only what hides an item is kept (at most one for every item of the
# catalog); new items and other news wait for the next snapshot. Laying so many over the shelf takes some 50 ms.
CHANGES_MAX = 10_000
# Erasures kept in memory; older ones hold in PostgreSQL, where everything that is stored passes them.
ERASURES_MAX = 10_000

log = structlog.get_logger()


class Mirrored(BaseModel):
    """The mirror's whole content, as it stands in the file."""

    model_config = ConfigDict(frozen=True)

    base: int = 0  # changes up to here were part of the snapshot in use, and are not among `changes`
    sequence: int = 0  # the catalog's changes up to here are known
    keys: tuple[StoredKey, ...] = ()
    placements: tuple[Placement, ...] = DEFAULT_PLACEMENTS
    changes: tuple[ItemState, ...] = ()
    erasure_salt: str = ""  # hex
    erasures: tuple[Erasure, ...] = ()  # the newest, in order


class Envelope(BaseModel):
    """The file: the content as text, and its hash."""

    model_config = ConfigDict(frozen=True)

    sha256: str
    content: str


class Mirror:
    """Follows PostgreSQL every `gateway_mirror_poll_s`; what it knew last survives PostgreSQL and a restart."""

    def __init__(self, settings: GatewaySettings, database: DatabaseLink, *, changes_max: int = CHANGES_MAX) -> None:
        self._settings = settings
        self._database = database
        self._changes_max = changes_max
        self._path = settings.gateway_data_dir / FILE_NAME
        self._told: Callable[[], None] = lambda: None
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
        self.changes: Mapping[str, ItemState] = {}
        self._told_of_erasures: Callable[[Sequence[Erasure]], None] = lambda _: None
        self._erasures: tuple[Erasure, ...] = ()
        self.erasure_salt = b""
        self.erased: Mapping[str, float] = {}  # by digest: until when (Unix) everything was erased

    def on_change(self, tell: Callable[[], None]) -> None:
        """`tell` is called whenever the item changes are other than before."""
        self._told = tell

    def on_erasures(self, tell: Callable[[Sequence[Erasure]], None]) -> None:
        """`tell` is called with erasures that were not known before."""
        self._told_of_erasures = tell

    async def start(self) -> None:
        """Takes up what the file holds, looks once whether PostgreSQL has news, and begins to follow."""
        self._become(await asyncio.to_thread(_read, self._path))
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
        """Looks for news once. Without PostgreSQL, or when it fails, all stays as it is. Raises OSError of the disk."""
        await self._look()
        if self._writing is not None:
            await asyncio.wait({self._writing})  # one at a time: both would write the same file
        await self._write()

    async def _look(self) -> None:
        pool = self._database.pool
        if pool is None:
            return
        before = self._content()
        try:
            news = await self._ask(pool)
        except StorageError as error:
            log.warning("mirror_not_refreshed", error=str(error))
            return
        if news != before:
            self._become(news)
            self._unwritten = True

    async def _write(self) -> None:
        if self._unwritten:
            self._unwritten = False
            try:
                await asyncio.to_thread(_write, self._path, self._content())
            except BaseException:
                self._unwritten = True
                raise

    def rebase(self, catalog_sequence: int) -> None:
        """A snapshot that knows the catalog up to `catalog_sequence` is in use: older changes are part of it."""
        # After a step back to an older snapshot, changes are missing that were dropped: they are asked for again.
        stepped_back = catalog_sequence < self._base
        self._sequence = catalog_sequence if stepped_back else max(self._sequence, catalog_sequence)
        self._base = catalog_sequence
        self.changes = self._since_base(self.changes.values())

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

    async def _ask(self, pool: Pool) -> Mirrored:
        keys, placements = await list_keys(pool), await self._ask_placements(pool)
        base, sequence, changes = self._base, self._sequence, dict(self.changes)
        while states := await changes_since(pool, sequence, limit=CHANGES_A_POLL_MAX):
            for state in states:
                if len(changes) < self._changes_max or _hides(state):
                    changes[state.item.item_id] = state
                else:
                    changes.pop(state.item.item_id, None)
            sequence = states[-1].change_sequence
        # Another salt: a database of elsewhere was restored in place of this one, and its erasures are numbered anew.
        salt = await erasure_salt(pool)
        erasures = list(self._erasures) if salt == self.erasure_salt else []
        while more := await erasures_since(pool, erasures[-1].sequence if erasures else 0):
            erasures += more
        return Mirrored(
            erasure_salt=salt.hex(),
            erasures=tuple(erasures[-ERASURES_MAX:]),
            base=base,
            sequence=sequence,
            keys=tuple(keys),
            placements=tuple(_by_name((*DEFAULT_PLACEMENTS, *placements)).values()),
            changes=tuple(changes.values()),
        )

    async def _ask_placements(self, pool: Pool) -> Iterable[Placement]:
        try:
            return await list_placements(pool)
        except ValidationError:  # one of another version must not keep a suppression from coming through
            self.failures += 1
            log.warning("placements_not_understood")
            return self.placements.values()

    def _content(self) -> Mirrored:
        return Mirrored(
            erasure_salt=self.erasure_salt.hex(),
            erasures=self._erasures,
            base=self._base,
            sequence=self._sequence,
            keys=tuple(self.keys.values()),
            placements=tuple(self.placements.values()),
            changes=tuple(self.changes.values()),
        )

    def _become(self, content: Mirrored) -> None:
        if content.base <= self._base:  # else the changes between the two bases are missing from it: ask again
            self._sequence = max(self._sequence, content.sequence)
        self.keys = {key.key_id: key for key in content.keys}
        self.placements = _by_name(content.placements)
        self.changes = self._since_base(content.changes)
        self._become_erased(content)
        self._told()

    def _become_erased(self, content: Mirrored) -> None:
        salt = bytes.fromhex(content.erasure_salt)
        if salt != self.erasure_salt:
            self.erasure_salt, self._erasures, self.erased = salt, (), {}
        last = self._erasures[-1].sequence if self._erasures else 0
        if news := [erasure for erasure in content.erasures if erasure.sequence > last]:
            self._erasures = content.erasures
            self.erased = {erasure.digest: erasure.erased_at.timestamp() for erasure in content.erasures}
            self._told_of_erasures(news)

    def _since_base(self, changes: Iterable[ItemState]) -> dict[str, ItemState]:
        return {state.item.item_id: state for state in changes if state.change_sequence > self._base}


def read_erasures(path: Path) -> tuple[Erasure, ...]:
    """The erasures that a mirror's file remembers. Raises OSError, and ValueError for a damaged file."""
    return _opened(path.read_bytes()).erasures


def _by_name(placements: Iterable[Placement]) -> dict[str, Placement]:
    return {placement.name: placement for placement in placements}


def _hides(state: ItemState) -> bool:
    """Whether it takes the item off the shelf, now or later: the snapshot may know another time of expiry, or none."""
    return state.suppressed or state.deleted or not state.item.available or state.item.expires_at is not None


def _read(path: Path) -> Mirrored:
    """The file's content; a file that is missing gives the defaults, a damaged one too, and is set aside."""
    try:
        return _opened(path.read_bytes())
    except FileNotFoundError:
        return Mirrored()
    except OSError as error:  # unreadable just now: it may be whole, so it is left where it is until the next write
        log.error("mirror_file_unreadable", error=str(error))  # noqa: TRY400 - an expected failure of a disk
        return Mirrored()
    except ValueError as error:  # broken JSON, a wrong hash, and every error of pydantic's
        damaged = path.with_name(f"{path.name}.damaged")
        log.warning("mirror_file_damaged", error=str(error), kept_as=damaged.name)
        path.replace(damaged)
        return Mirrored()


def _opened(envelope: bytes) -> Mirrored:
    """The content of an envelope whose hash is right. Raises ValueError otherwise."""
    sealed = Envelope.model_validate_json(envelope)
    if hashlib.sha256(sealed.content.encode()).hexdigest() != sealed.sha256:
        raise ValueError("the hash is another")
    return Mirrored.model_validate_json(sealed.content)


def _write(path: Path, mirrored: Mirrored) -> None:
    content = mirrored.model_dump_json()
    sealed = Envelope(sha256=hashlib.sha256(content.encode()).hexdigest(), content=content)
    incoming = path.with_name(f".{path.name}.incoming")
    descriptor = os.open(incoming, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(sealed.model_dump_json())
        file.flush()
        os.fsync(file.fileno())
    incoming.replace(path)
