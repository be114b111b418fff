"""Following snapshots: what is unsound is refused and counted, and the last good one goes on serving."""

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
import pytest_asyncio

from evershelf.contracts.manifest import SNAPSHOT_NAME
from evershelf.registry.aliases import CURRENT
from evershelf.registry.store import DirectoryRegistry
from tests.gateway.gateway_world import open_world

pytestmark = pytest.mark.asyncio(loop_scope="module")
REFUSALS = "evershelf_snapshot_refusals_total"


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def world(postgres, tmp_path_factory):
    async with open_world(postgres.url, tmp_path_factory.mktemp("snapshots")) as world:
        yield world


def refusals(world) -> float:
    lines = world.parts.telemetry.exposition().decode().splitlines()
    return next(float(line.split()[-1]) for line in lines if line.startswith(REFUSALS))


def announce_damaged(world, name: str) -> None:
    """Publishes a copy of the snapshot in use under another name, points `current` at it, and flips one bit of it."""
    registry, serving = DirectoryRegistry(Path(world.settings.registry)), world.parts.snapshots.current.version
    manifest = registry.manifest("snapshots", serving)
    renamed = manifest.model_copy(update={"version": name, "created_at": datetime.now(UTC)})
    registry.publish("snapshots", renamed, registry.path("snapshots", serving))
    payload = registry.path("snapshots", name) / SNAPSHOT_NAME
    content = bytearray(payload.read_bytes())
    content[len(content) // 2] ^= 1
    payload.write_bytes(content)
    pointer = registry.read_alias("snapshots", CURRENT)
    registry.move_alias(
        "snapshots", CURRENT, name, expected_sequence=pointer.sequence, moved_by="test", reason="damaged"
    )


async def test_every_unsound_snapshot_counts_once(world):
    # Promise: two that are damaged alike are two refusals, however often each is looked at; the old one serves on.
    serving = world.parts.snapshots.current.version
    for number, name in enumerate(("damaged-1", "damaged-2"), start=1):
        announce_damaged(world, name)
        for _ in range(3):
            await world.parts.snapshots.refresh()
        assert refusals(world) == number
        assert world.parts.snapshots.current.version == serving


async def test_one_that_is_gone_is_asked_for_again(world):
    # Promise: an announced snapshot that cannot be found is counted once and taken as soon as it is there.
    registry, serving = DirectoryRegistry(Path(world.settings.registry)), world.parts.snapshots.current.version
    announce_damaged(world, "late")
    hidden = Path(world.settings.registry) / "hidden"
    registry.path("snapshots", "late").rename(hidden)
    before = refusals(world)
    for _ in range(2):
        await world.parts.snapshots.refresh()
    assert refusals(world) <= before + 1
    shutil.copyfile(registry.path("snapshots", serving) / SNAPSHOT_NAME, hidden / SNAPSHOT_NAME)
    hidden.rename(registry.path("snapshots", "late"))
    await world.parts.snapshots.refresh()
    assert world.parts.snapshots.current.version == "late"
