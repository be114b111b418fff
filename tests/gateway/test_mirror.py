"""The mirror knows keys, placements and item changes without PostgreSQL, and lets nothing hidden back on the shelf."""

import asyncio
from datetime import UTC, datetime, timedelta
from math import inf

import orjson
import pytest

from evershelf.contracts.catalog import Item
from evershelf.contracts.keys import Scope
from evershelf.contracts.placements import DEFAULT_PLACEMENTS, Placement
from evershelf.gateway import mirror as module
from evershelf.gateway.mirror import FILE_NAME, Mirror
from evershelf.gateway.settings import GatewaySettings
from evershelf.policy.erasure import erasure_digest
from evershelf.storage.catalog import delete_item, get_item, suppress_item, unsuppress_item, upsert_items
from evershelf.storage.erasures import erase_user
from evershelf.storage.keys import create_key, mint_key, revoke_key
from evershelf.storage.placements import put_placement
from tests.gateway.gateway_world import eventually

SECRET = "5a" * 32


class FakeLink:
    """A link whose pool the test gives and takes away."""

    def __init__(self, pool=None):
        self.pool = pool
        self.notified = {}

    def listen(self, channel, notified):
        self.notified[channel] = notified

    async def wait_connected(self):
        raise TimeoutError


@pytest.fixture
def settings(tmp_path):
    return GatewaySettings(key_secret=SECRET, gateway_data_dir=tmp_path, gateway_mirror_poll_s=60)


@pytest.fixture
async def mirror(settings, pool):
    mirror = Mirror(settings, FakeLink(pool))
    await mirror.start()
    yield mirror
    await mirror.close()


async def restarted(settings: GatewaySettings, base: int | None = None) -> Mirror:
    """A new process on the same disk, with PostgreSQL gone, that adopts a snapshot first."""
    mirror = Mirror(settings, FakeLink())
    if base is not None:
        await mirror.rebase(base)
    await mirror.start()
    await mirror.close()
    return mirror


async def sequence_of(pool, item_id: str) -> int:
    return (await get_item(pool, item_id)).change_sequence


async def test_a_restart_without_postgresql_knows_all_it_knew(mirror, pool, settings):
    # Promise: keys, placements and suppressions survive the loss of PostgreSQL and a restart.
    _, key = mint_key(bytes.fromhex(SECRET), "shop", [Scope.RECOMMEND])
    await create_key(pool, key, actor="test")
    await put_placement(pool, Placement(name="basement", k=3), actor="test")
    await upsert_items(pool, [Item(item_id="mug"), Item(item_id="cup")])
    await suppress_item(pool, "mug", actor="test", reason="takedown")
    await mirror.refresh()
    again = await restarted(settings)
    assert again.keys[key.key_id].digest == key.digest
    assert again.placements["basement"].k == 3
    assert again.changes["mug"].suppressed
    assert dict(again.changes) == dict(mirror.changes)


async def test_a_revoked_key_is_known_as_revoked(mirror, pool):
    # Promise: revocation reaches memory with the next look.
    _, key = mint_key(bytes.fromhex(SECRET), "shop", [Scope.RECOMMEND])
    await create_key(pool, key, actor="test")
    await mirror.refresh()
    assert mirror.keys[key.key_id].revoked_at is None
    await revoke_key(pool, key.key_id, actor="test")
    await mirror.refresh()
    assert mirror.keys[key.key_id].revoked_at is not None


async def test_the_default_placements_are_always_there(mirror, pool):
    # Promise: routes that rely on a default placement find it, and an operator's version of one wins.
    await put_placement(pool, Placement(name="home", k=7), actor="test")
    await mirror.refresh()
    assert set(mirror.placements) >= {placement.name for placement in DEFAULT_PLACEMENTS}
    assert mirror.placements["home"].k == 7


async def test_changes_are_told_once_and_only_when_there_are_some(mirror, pool):
    # Promise: the shelf is told of news, and is left alone without.
    told = []
    mirror.on_change(told.append)
    await upsert_items(pool, [Item(item_id="mug")])
    await mirror.refresh()
    await mirror.refresh()
    assert told == [["mug"]]


async def test_an_item_comes_goes_and_comes_back(mirror, pool):
    # Promise: memory holds the newest state of each changed item, a removal included.
    await upsert_items(pool, [Item(item_id="mug")])
    await delete_item(pool, "mug", actor="test")
    await mirror.refresh()
    assert mirror.changes["mug"].deleted
    await upsert_items(pool, [Item(item_id="mug", title="A mug")])
    await mirror.refresh()
    assert (mirror.changes["mug"].deleted, mirror.changes["mug"].item.title) == (False, "A mug")


async def test_a_newer_snapshot_takes_its_changes_over(mirror, pool):
    # Promise: what a snapshot knows already is dropped, what came after it stays.
    await upsert_items(pool, [Item(item_id="mug")])
    await upsert_items(pool, [Item(item_id="cup")])
    await mirror.refresh()
    await mirror.rebase(await sequence_of(pool, "mug"))
    assert set(mirror.changes) == {"cup"}


async def test_a_step_back_to_an_older_snapshot_asks_again(mirror, pool):
    # Promise: after a rollback of the snapshot, a suppression made meanwhile is known again with the next look.
    await upsert_items(pool, [Item(item_id="mug")])
    older = await sequence_of(pool, "mug")
    await suppress_item(pool, "mug", actor="test", reason="takedown")
    await mirror.refresh()
    await mirror.rebase(await sequence_of(pool, "mug"))
    assert not mirror.changes
    await mirror.rebase(older)
    await mirror.refresh()
    assert mirror.changes["mug"].suppressed


async def test_a_file_from_above_a_newer_snapshot_leaves_no_gap(mirror, pool, settings):
    # Promise: a restart on an older snapshot than the file was made for asks PostgreSQL for what is missing.
    await upsert_items(pool, [Item(item_id="mug")])
    await suppress_item(pool, "mug", actor="test", reason="takedown")
    await mirror.refresh()
    await mirror.rebase(await sequence_of(pool, "mug"))
    await upsert_items(pool, [Item(item_id="cup")])
    await mirror.refresh()
    again = await restarted(settings, base=0)
    again._database.pool = pool
    await again.refresh()
    assert again.changes["mug"].suppressed


async def test_beyond_the_limit_only_what_hides_is_kept(settings, pool):
    # Promise (G7, G25): bounded, and closed: a limit reached lets no hidden item, nor one about to expire, be shown.
    mirror = Mirror(settings, FakeLink(pool), changes_max=2)
    soon = datetime.now(UTC) + timedelta(hours=1)
    await upsert_items(pool, [Item(item_id=f"item-{number}") for number in range(2)])
    await upsert_items(
        pool,
        [Item(item_id="new"), Item(item_id="gone", available=False), Item(item_id="expiring", expires_at=soon)],
    )
    await upsert_items(pool, [Item(item_id="bad")])
    await suppress_item(pool, "bad", actor="test", reason="takedown")
    await mirror.refresh()
    assert set(mirror.changes) == {"item-0", "item-1"}
    assert {item_id: hide.until_s for item_id, hide in mirror.hides.items()} == {
        "gone": -inf, "expiring": soon.timestamp(), "bad": -inf
    }  # fmt: skip
    assert (mirror.known("bad").suppressed, mirror.known("gone").suppressed, mirror.items_changed) == (True, False, 5)
    await unsuppress_item(pool, "bad", actor="test", reason="cleared")
    await mirror.refresh()
    assert set(mirror.hides) == {"gone", "expiring"}


async def test_what_only_hides_survives_a_restart_without_postgresql(settings, pool):
    # Promise (G7, G8): beyond the limit, too; and a gateway of the version before, which would take it for shown, asks.
    mirror = Mirror(settings, FakeLink(pool), changes_max=1)
    soon = datetime.now(UTC) + timedelta(hours=1)
    items = [Item(item_id="whole"), Item(item_id="gone", available=False), Item(item_id="expiring", expires_at=soon)]
    await upsert_items(pool, items)
    await mirror.refresh()
    again = await restarted(settings)
    assert set(again.changes) == {"whole"}
    assert dict(again.hides) == dict(mirror.hides)
    assert (set(again.hides), again._sequence) == ({"gone", "expiring"}, mirror._sequence)
    written = orjson.loads(orjson.loads((settings.gateway_data_dir / FILE_NAME).read_bytes())["content"])
    assert (written["sequence"], [each["item"]["item_id"] for each in written["changes"]]) == (0, ["whole"])


async def test_a_whole_catalog_that_is_hidden_is_taken_in_turns(settings, pool):
    # Promise (G2): the event loop comes round between one small part and the next; a change after that is told alone.
    mirror = Mirror(settings, FakeLink(pool), changes_max=100)
    told, rounds = [], 0

    async def go_round():
        nonlocal rounds
        while True:
            rounds += 1
            await asyncio.sleep(0)

    going = asyncio.create_task(go_round())
    mirror.on_change(lambda item_ids: told.append((list(item_ids), rounds)))
    gone = [Item(item_id=f"item-{number}", available=False) for number in range(4 * module.CHANGES_A_TURN)]
    await upsert_items(pool, gone)
    await mirror.refresh()
    await suppress_item(pool, "item-7", actor="test", reason="takedown")
    await mirror.refresh()
    going.cancel()
    assert {item_id for item_ids, _ in told for item_id in item_ids} == {item.item_id for item in gone}
    assert max(len(item_ids) for item_ids, _ in told) <= module.CHANGES_A_TURN
    assert len({at for _, at in told}) == len(told)
    assert told[-1][0] == ["item-7"]
    assert (len(mirror.changes), len(mirror.hides)) == (100, len(gone) - 100)


async def test_a_snapshot_that_steps_back_while_news_come_leaves_no_gap(mirror, pool):
    # Promise: what was asked for before the step back is not taken for all there is.
    await upsert_items(pool, [Item(item_id="mug")])
    await suppress_item(pool, "mug", actor="test", reason="takedown")
    await mirror.refresh()
    await mirror.rebase(await sequence_of(pool, "mug"))
    await upsert_items(pool, [Item(item_id="cup")])

    async def waits() -> bool:
        return bool(mirror.steady._waiters)

    async with mirror.steady:
        looking = asyncio.create_task(mirror.refresh())
        await eventually(waits)
        await mirror.rebase(0)
    await looking
    assert mirror.changes["mug"].suppressed
    assert "cup" in mirror.changes


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"sha256":"0","content":"{}"}', b"\xff\x00" * 50])
async def test_a_damaged_file_is_put_aside_and_opens_no_door(settings, damage):
    # Promise: a file that is not what was written is not believed: no keys, default placements, and it is kept.
    path = settings.gateway_data_dir / FILE_NAME
    path.write_bytes(damage)
    mirror = await restarted(settings)
    assert not mirror.keys
    assert set(mirror.placements) == {placement.name for placement in DEFAULT_PLACEMENTS}
    assert path.with_name(f"{FILE_NAME}.damaged").read_bytes() == damage


async def test_one_flipped_bit_is_noticed(mirror, pool, settings):
    # Promise: the hash covers all of the content.
    await upsert_items(pool, [Item(item_id="mug")])
    await mirror.refresh()
    path = settings.gateway_data_dir / FILE_NAME
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_bytes(path.read_bytes().replace(b"mug", b"mua"))
    assert not (await restarted(settings)).changes


async def test_a_failed_write_is_made_up_for(mirror, pool, settings):
    # Promise: a disk that fails costs neither the news in memory nor, once it is well, the news on disk.
    await mirror.refresh()  # what the start had to write is written
    blocker = settings.gateway_data_dir / f".{FILE_NAME}.incoming"
    blocker.mkdir()
    await upsert_items(pool, [Item(item_id="mug")])
    with pytest.raises(IsADirectoryError):
        await mirror.refresh()
    assert "mug" in mirror.changes
    blocker.rmdir()
    await mirror.refresh()
    assert "mug" in (await restarted(settings)).changes


async def test_a_definition_of_another_version_stops_nothing(mirror, pool):
    # Promise: what cannot be understood is counted and leaves all else as it was.
    async with pool.acquire() as connection:
        await connection.execute("INSERT INTO placements (name, definition) VALUES ('odd', '{}')")
    await upsert_items(pool, [Item(item_id="mug")])
    await suppress_item(pool, "mug", actor="test", reason="takedown")
    await mirror.refresh()
    assert (mirror.failures, "home" in mirror.placements, mirror.changes["mug"].suppressed) == (1, True, True)


async def test_postgresql_away_leaves_all_as_it_was(mirror, pool):
    # Promise: a closed pool changes nothing in memory.
    await upsert_items(pool, [Item(item_id="mug")])
    await mirror.refresh()
    pool.terminate()
    await mirror.refresh()
    assert "mug" in mirror.changes


async def test_erasures_go_on_after_a_database_of_elsewhere_was_restored(mirror, pool, settings):
    # Promise: another salt makes what was remembered worthless; those of the new database are known at once (G27).
    told = []
    mirror.on_erasures(told.extend)
    for user_id in ("ann", "bob", "eve"):
        await erase_user(pool, user_id, actor="test")
    await mirror.refresh()
    assert len(mirror.erased) == 3
    await pool.execute("UPDATE erasure_salt SET salt = '\\x00112233'; TRUNCATE erasures RESTART IDENTITY")
    await mirror.refresh()
    assert not mirror.erased
    await erase_user(pool, "joe", actor="test")
    await mirror.refresh()
    digest = erasure_digest(bytes.fromhex("00112233"), "user", "joe")
    assert (told[-1].digest, set(mirror.erased), mirror.erasure_salt.hex()) == (digest, {digest}, "00112233")
    assert set((await restarted(settings)).erased) == {digest}


def test_a_link_is_asked_to_listen(settings):
    # Promise: a notification wakes the mirror, the poll is only the second way.
    link = FakeLink()
    mirror = Mirror(settings, link)
    link.notified[module.ITEMS_CHANNEL]()
    assert mirror._notified.is_set()
