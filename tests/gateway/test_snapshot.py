"""Following snapshots: what is unsound is refused and counted, and the last good one goes on serving."""

import asyncio
import shutil
from datetime import UTC, datetime
from math import inf
from pathlib import Path

import pytest
import pytest_asyncio

from evershelf.contracts.manifest import SNAPSHOT_NAME
from evershelf.gateway.item_changes import ENTRIES_A_TURN, Hide
from evershelf.gateway.mirror import Mirror
from evershelf.gateway.outside import Clock
from evershelf.gateway.settings import GatewaySettings
from evershelf.gateway.shelf import empty_shelf
from evershelf.gateway.snapshot import SnapshotHolder
from evershelf.gateway.telemetry import Telemetry
from evershelf.registry.aliases import CURRENT
from evershelf.registry.store import DirectoryRegistry
from evershelf.storage.catalog import suppress_item
from tests.gateway.gateway_world import open_world, shop
from tests.gateway.test_mirror import SECRET, FakeLink

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


def parts_of(settings: GatewaySettings, link: FakeLink) -> tuple[Mirror, SnapshotHolder]:
    """As the gateway puts them together, with no room for whole changes."""
    mirror = Mirror(settings, link, changes_max=0)
    holder = SnapshotHolder(settings, mirror, Telemetry(), clock=Clock())
    mirror.on_change(holder.apply_changes)
    return mirror, holder


async def test_beyond_the_limit_what_is_hidden_is_off_the_shelf_and_stays_off(postgres, tmp_path):
    # Promise (G7, G8): with the next look, and after a restart without PostgreSQL.
    async with shop(postgres.url, tmp_path) as (settings, pool):
        for link in (FakeLink(pool), FakeLink()):
            mirror, holder = parts_of(settings, link)
            await holder.start()
            assert holder.current.eligible("mugs-0", 0)
            await suppress_item(pool, "mugs-0", actor="test", reason="takedown")
            await mirror.start()
            await mirror.close()
            if link.pool is not None:
                await mirror.refresh()
            await holder.close()
            assert not holder.current.eligible("mugs-0", 0)
            assert holder.current.eligible("mugs-1", 0)
            assert "mugs-0" not in list(holder.current.everything("home/mugs"))


async def test_a_snapshot_comes_into_use_in_turns(tmp_path):
    # Promise (G2): all that is hidden is laid over it in parts; the event loop comes round in between.
    mirror, holder = parts_of(GatewaySettings(key_secret=SECRET, gateway_data_dir=tmp_path), FakeLink())
    for number in range(4 * ENTRIES_A_TURN):
        mirror.hides.put(f"item-{number}", Hide(number, -inf))
    before, rounds = holder.current, 0
    adopting = asyncio.create_task(holder._adopt(empty_shelf(0.0)))
    while holder.current is before:
        rounds += 1
        await asyncio.sleep(0)
    await adopting
    assert rounds >= 4
