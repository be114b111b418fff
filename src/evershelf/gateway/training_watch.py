"""Looks now and then how training fares: the champion's age from the registry, the last run from PostgreSQL."""

import asyncio
from contextlib import suppress

from evershelf.contracts.manifest import ModelManifest
from evershelf.gateway.background import end
from evershelf.gateway.model_desk import RegistryUnavailable
from evershelf.gateway.parts import Parts
from evershelf.registry.aliases import CHAMPION
from evershelf.registry.artifact import ArtifactRefused
from evershelf.registry.store import Registry
from evershelf.storage.errors import StorageError
from evershelf.storage.training_runs import last_run

LOOK_EVERY_S = 30.0
DATABASE_AWAITED_S = 2.0


class TrainingWatch:
    """A background task. What cannot be looked at now keeps the figures of the last look."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._task: asyncio.Task[None] | None = None
        self._made_at_s: float | None = None
        self._ended_at_s: float | None = None

    async def start(self) -> None:
        """Begins to look."""
        self._parts.telemetry.watch(self._ages)
        self._task = asyncio.create_task(self._run(), name="training-watch")

    async def close(self) -> None:
        """Stops looking."""
        await end(self._task)

    async def look(self) -> None:
        """One look at both."""
        with suppress(RegistryUnavailable, ArtifactRefused):
            champion = await self._parts.models.ask(_champion)
            self._made_at_s = champion.created_at.timestamp() if champion else None
        if (pool := self._parts.database.pool) is None:
            return
        with suppress(StorageError):
            if (run := await last_run(pool)) is not None:
                self._parts.telemetry.operation.trained(run)
                self._ended_at_s = run.ended_at.timestamp()

    async def _run(self) -> None:
        while True:
            try:
                await self.look()
            except Exception as error:  # noqa: BLE001 - the source boundary: looking outlives whatever it meets
                self._parts.telemetry.caught("training", error)
            await asyncio.sleep(LOOK_EVERY_S if self._parts.database.pool else DATABASE_AWAITED_S)

    def _ages(self) -> dict[str, float]:
        now_s = self._parts.outside.clock.unix_s()
        known = {"evershelf_model_age_seconds": self._made_at_s, "evershelf_training_age_seconds": self._ended_at_s}
        return {name: max(0.0, now_s - at_s) for name, at_s in known.items() if at_s is not None}


def _champion(registry: Registry) -> ModelManifest | None:
    pointer = registry.read_alias("models", CHAMPION)
    return None if pointer is None else registry.manifest("models", pointer.version)
