"""Looks at the parts a few times a second and tells the series what it sees: states, lag, depth, age."""

import asyncio

from evershelf.contracts.admin_series import MarkKind
from evershelf.contracts.health import DependencyState
from evershelf.gateway.background import end
from evershelf.gateway.parts import Parts

LOOK_EVERY_S = 0.25
REPLICAS_SHOWN_MAX = 16


class Watch:
    """A background task; a state that comes and goes within LOOK_EVERY_S may be missed."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._task: asyncio.Task[None] | None = None
        self._snapshot = parts.snapshots.current.version
        self._placements = dict(parts.mirror.placements)
        self._failed = 0

    async def start(self) -> None:
        """Begins to look."""
        self._look()
        self._task = asyncio.create_task(self._run(), name="watch")

    async def close(self) -> None:
        """Stops looking."""
        await end(self._task)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            try:
                self._look()
            except Exception as error:  # noqa: BLE001 - the source boundary: looking outlives whatever it meets
                self._parts.telemetry.caught("watch", error)

    def _look(self) -> None:
        parts, series = self._parts, self._parts.series
        bucket = series.current
        bucket.loop_lag_ms = max(bucket.loop_lag_ms, round(parts.loop_lag.lag_ms, 3))
        bucket.in_flight = max(bucket.in_flight, parts.inference.in_flight)
        bucket.spool_pending = max(bucket.spool_pending, parts.spool.counts().pending)
        shelf = parts.snapshots.current
        bucket.snapshot_age_s = round(max(0.0, parts.outside.clock.unix_s() - shelf.created_at_s), 1)
        failed = parts.telemetry.caught_total("request")
        bucket.failed += failed - self._failed
        self._failed = failed
        series.enter("postgresql", parts.database.state)
        series.enter("inference", parts.inference.state)
        for replica in parts.inference.health()[:REPLICAS_SHOWN_MAX]:
            series.enter(f"circuit of {replica.name}", replica.circuit)
        series.enter("snapshot", _up(parts.snapshots.has_snapshot))
        series.enter("spool", _up(parts.spool.available))
        self._mark_changes()

    def _mark_changes(self) -> None:
        series, version = self._parts.series, self._parts.snapshots.current.version
        if version != self._snapshot:
            self._snapshot = version
            series.mark(MarkKind.SNAPSHOT, version)
        placements = self._parts.mirror.placements
        if placements != self._placements:
            changed = [name for name, each in placements.items() if self._placements.get(name) != each]
            self._placements = dict(placements)
            for name in changed:
                series.mark(MarkKind.PLACEMENT, name)


def _up(holds: bool) -> DependencyState:  # noqa: FBT001 - a word for a truth
    return DependencyState.UP if holds else DependencyState.DOWN
