"""Which shelf is in use: follows the registry's `current` snapshot, and never lets go of the last good one."""

import asyncio
from collections.abc import Sequence
from itertools import chain
from math import inf
from pathlib import Path

import structlog

from evershelf.contracts.catalog import ItemState
from evershelf.contracts.manifest import SnapshotManifest
from evershelf.gateway.big_tables import PLAIN_UP_TO
from evershelf.gateway.item_changes import hide_of, in_turns
from evershelf.gateway.mirror import Mirror
from evershelf.gateway.outside import Clock, keep_from_collector
from evershelf.gateway.settings import GatewaySettings
from evershelf.gateway.shelf import NO_SNAPSHOT, Changed, Shelf, changed, empty_shelf, load_shelf
from evershelf.gateway.telemetry import Telemetry
from evershelf.registry.aliases import CURRENT
from evershelf.registry.artifact import ArtifactRefused, Refusal, verify
from evershelf.registry.manifests import read_manifest
from evershelf.registry.opening import open_registry
from evershelf.registry.settings import split_keys
from evershelf.registry.signatures import KeyRing
from evershelf.registry.store import discard

log = structlog.get_logger()


class SnapshotHolder:
    """Holds the shelf in use. `start` takes the newest sound snapshot on this disk; then the registry is followed."""

    def __init__(self, settings: GatewaySettings, mirror: Mirror, telemetry: Telemetry, *, clock: Clock) -> None:
        self._settings = settings
        self._mirror = mirror
        self._telemetry = telemetry
        self._registry = open_registry(settings)
        self._keys = KeyRing(split_keys(settings.registry_public_keys))
        self._folder = settings.gateway_data_dir / "snapshots"
        self._refused: set[str] = set()
        self._last_refusal: tuple[str | None, str] | None = None
        self._following: asyncio.Task[None] | None = None
        self.current: Shelf = empty_shelf(clock.unix_s())

    @property
    def has_snapshot(self) -> bool:
        """Whether the shelf comes from a snapshot rather than from nothing."""
        return self.current.version != NO_SNAPSHOT

    async def start(self) -> None:
        """Adopts the newest sound snapshot on disk, else in the registry, and begins to follow."""
        self._folder.mkdir(parents=True, exist_ok=True)
        kept = await asyncio.to_thread(self._load_kept)
        if kept is not None:
            await self._adopt(kept)
        await self.refresh()
        self._following = asyncio.create_task(self._follow())

    async def close(self) -> None:
        """Stops following; the shelf in use stays."""
        if self._following is not None:
            self._following.cancel()
            await asyncio.gather(self._following, return_exceptions=True)

    async def refresh(self) -> None:
        """Adopts the registry's current snapshot if it is another and sound; otherwise everything stays as it is."""
        shelf = await asyncio.to_thread(self._fetch_current)
        if shelf is not None:
            await self._adopt(shelf)
            await asyncio.to_thread(self._forget_old)

    def apply_changes(self, item_ids: Sequence[str]) -> None:
        """Lays what the mirror knows of these items over the shelf; called whenever that is other than before."""
        self.current = self._under_changes(self.current, item_ids)

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(self._settings.gateway_snapshot_poll_s)
            try:
                await self.refresh()
            except Exception as error:  # noqa: BLE001 - the source boundary: no bug may end the following
                self._telemetry.caught("snapshot", error)

    def _fetch_current(self) -> Shelf | None:
        version = None
        try:
            pointer = self._registry.read_alias("snapshots", CURRENT)
            if pointer is None or pointer.version == self.current.version or pointer.version in self._refused:
                return None
            version = pointer.version
            return self._load(self._registry.fetch("snapshots", version, self._folder))
        except (ArtifactRefused, OSError) as error:
            self._refuse(version, error)
            return None

    def _load_kept(self) -> Shelf | None:
        for folder in self._kept():
            try:
                return self._load(folder)
            except (ArtifactRefused, OSError) as error:
                self._refuse(folder.name, error)
        return None

    def _load(self, folder: Path) -> Shelf:
        manifest = read_manifest(folder, SnapshotManifest, self._keys)
        verify(folder, manifest.files)
        shelf = load_shelf(folder, manifest)
        if len(shelf) > PLAIN_UP_TO:
            keep_from_collector()
        return shelf

    async def _adopt(self, shelf: Shelf) -> None:
        mirror, base = self._mirror, shelf.catalog_sequence
        async with mirror.steady:
            for item_ids in chain(in_turns(mirror.changes), in_turns(mirror.hides)):
                shelf = self._under_changes(shelf, item_ids)
                await asyncio.sleep(0)
            self.current = shelf
            await mirror.rebase(base)
        log.info("snapshot_adopted", version=shelf.version, items=len(shelf))

    def _under_changes(self, shelf: Shelf, item_ids: Sequence[str]) -> Shelf:
        """Another shelf, not the same one changed: an answer under way keeps the catalog it began with."""
        changes: dict[str, Changed | None] = {}
        ends: dict[str, float] = {}
        for item_id in item_ids:
            known = self._mirror.known(item_id)
            if known is not None and known.change_sequence <= shelf.catalog_sequence:
                known = None  # the snapshot has it
            changes[item_id] = self._changed(known) if isinstance(known, ItemState) else None
            hide = hide_of(known) if known is not None else None
            ends[item_id] = hide.until_s if hide is not None else inf
        return shelf.with_changes(changes, ends)

    def _changed(self, state: ItemState) -> Changed:
        known = self.current.changes.get(state.item.item_id)
        return known if known is not None and known.change_sequence == state.change_sequence else changed(state)

    def _refuse(self, version: str | None, error: ArtifactRefused | OSError) -> None:
        """Remembers what is unsound; what failed for want of disk or descriptors, or is gone, may be tried again."""
        if version is not None and isinstance(error, ArtifactRefused) and error.reason is not Refusal.MISSING:
            self._refused.add(version)
        if (version, str(error)) != self._last_refusal:  # once per fact, not once per look
            self._last_refusal = version, str(error)
            self._telemetry.snapshot_refused()
            log.error("snapshot_refused", version=version, error=str(error))

    def _kept(self) -> list[Path]:
        """Snapshots on this disk, newest first; versions sort by their time."""
        return sorted((path for path in self._folder.iterdir() if not path.name.startswith(".")), reverse=True)

    def _forget_old(self) -> None:
        for folder in self._kept()[self._settings.gateway_snapshots_kept :]:
            if folder.name != self.current.version:
                discard(folder)
