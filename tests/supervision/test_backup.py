"""A backup brings all of an installation back, and nobody who was erased; half a backup brings nothing."""

import asyncio
import json
import shutil
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from uuid import uuid4

import orjson
import pytest

from evershelf.contracts.catalog import User
from evershelf.contracts.placements import Placement
from evershelf.contracts.recommendations import Reason, Source
from evershelf.registry.store import DirectoryRegistry
from evershelf.storage.backup import TABLES, NotEmptyError
from evershelf.storage.catalog import suppress_item, upsert_items, upsert_users
from evershelf.storage.decisions import Decision, store_decisions
from evershelf.storage.erasures import erase_user, erasures_since
from evershelf.storage.events import DeadEvent, bury_events, store_events
from evershelf.storage.migrate import migrate
from evershelf.storage.placements import put_placement
from evershelf.storage.postgres import open_pool
from evershelf.storage.retention import tidy
from evershelf.storage.schema import current_version
from evershelf.storage.settings import RetentionSettings
from evershelf.supervision.backup import BackupError, back_up, opened, require_same_secrets, restore, restore_secrets
from evershelf.supervision.installation import Installation
from evershelf.training.snapshot import refresh
from tests.cli.test_main import evershelf
from tests.gateway.gateway_world import items, make_keys, past_events
from tests.inference.fake_model import publish_champion

LATE = datetime.now(UTC) - timedelta(days=100)


def quiet(_: str) -> None:
    """Nobody watches."""


@pytest.fixture
async def shop(pool, database_url, open_tmp_path):
    """An installation with something in every table, a model, a snapshot and secrets."""
    home = Installation(open_tmp_path / "home")
    home.prepare()
    await upsert_items(pool, items())
    await suppress_item(pool, "mugs-1", actor="test", reason="test")
    await upsert_users(pool, [User(user_id="buyer-5")])
    old = past_events()[0].model_copy(update={"occurred_at": LATE, "event_id": uuid4()})
    await store_events(pool, [*past_events(), old])
    await bury_events(pool, [DeadEvent(uuid4(), "tab\there, line\nthere, \\N", "a reason")])
    await store_decisions(pool, [decision("buyer-1"), decision("buyer-2")])
    await make_keys(pool)
    await erase_user(pool, "buyer-3", actor="test")
    await tidy(database_url, RetentionSettings(), now=datetime.now(UTC), actor="test")
    registry = publish_champion(home.registry_dir, "m1")
    await asyncio.to_thread(refresh, database_url, registry)
    return SimpleNamespace(home=home, url=database_url, pool=pool, registry=registry, target=open_tmp_path / "backup")


def decision(user_id: str) -> Decision:
    told = {"placement": "home", "model_version": None, "snapshot_version": "s1", "item_ids": ("mugs-0",)}
    why = {"source": Source.POPULAR, "reason": Reason.NO_HISTORY, "degraded": False, "record": {"attempts": []}}
    who = {"user_id": user_id, "session_id": None}
    return Decision(recommendation_id=uuid4(), decided_at=datetime.now(UTC), **told, **why, **who)


async def back_up_of(shop):
    return await asyncio.to_thread(back_up, shop.home, shop.url, shop.registry, shop.target, quiet)


async def restored(shop, url, folder, **given):
    home = Installation(folder)
    manifest = opened(shop.target, quiet)
    restore_secrets(home, shop.target, manifest)
    registry = DirectoryRegistry(home.registry_dir)
    options = {"overwrite": False, "on_step": quiet} | given
    done = await asyncio.to_thread(restore, url, registry, shop.target, **options)
    return home, registry, done


async def rows(pool, table) -> list[str]:
    """Every row as text; places in the change sequence are drawn anew and left out."""
    found = await pool.fetch(f"SELECT to_jsonb(t) - 'change_sequence' AS row FROM {table} AS t")
    return sorted(json.dumps(row["row"], sort_keys=True) for row in found)


async def test_what_comes_back_is_what_there_was(shop, empty_database_url, open_tmp_path):
    # Promise: every row of every table, every version, alias and secret; and writing goes on where it stopped.
    made = await back_up_of(shop)
    home, registry, done = await restored(shop, empty_database_url, open_tmp_path / "other")
    there = await open_pool(empty_database_url)
    try:
        for table in TABLES:
            before, after = await rows(shop.pool, table), await rows(there, table)
            assert before == after, table
            assert made.tables[table].rows == len(before) > 0, table
        assert done.events == done.decisions == 0
        await erase_user(there, "buyer-1", actor="test")
        assert await there.fetchval("SELECT count(DISTINCT change_sequence) FROM items") == len(items())
        await upsert_items(there, [items()[0].model_copy(update={"title": "new"})])
        assert await there.fetchval("SELECT item_id FROM items ORDER BY change_sequence DESC LIMIT 1") == "mugs-0"
    finally:
        await there.close()
    for kind, alias in (("models", "champion"), ("snapshots", "current")):
        version = shop.registry.read_alias(kind, alias).version
        assert registry.read_alias(kind, alias).version == version
        registry.check(kind, version)
    assert home.secret("key_secret") == shop.home.secret("key_secret")


async def test_who_was_erased_after_the_backup_stays_erased(shop, open_tmp_path):
    # Promise: restoring over an installation takes up its newer erasures.
    await back_up_of(shop)
    receipt = await erase_user(shop.pool, "buyer-1", actor="test")
    assert receipt.events > 0
    await shop.pool.expire_connections()
    _, _, done = await restored(shop, shop.url, open_tmp_path / "other", overwrite=True)
    assert (done.erasures, done.events, done.decisions) == (1, receipt.events, receipt.decisions)
    assert await shop.pool.fetchval("SELECT count(*) FROM events WHERE user_id = 'buyer-1'") == 0
    assert await shop.pool.fetchval("SELECT count(*) FROM events WHERE user_id = 'buyer-2'") > 0


async def test_gateways_that_kept_running_hear_of_later_erasures(shop, empty_database_url, open_tmp_path):
    # Promise: the erasures' numbers go on above all that a follower can have seen since the backup.
    await back_up_of(shop)
    for user_id in ("buyer-1", "buyer-2"):
        await erase_user(shop.pool, user_id, actor="test")
    seen = await shop.pool.fetchval("SELECT max(sequence) FROM erasures")
    await restored(shop, empty_database_url, open_tmp_path / "other")
    there = await open_pool(empty_database_url)
    try:
        receipt = await erase_user(there, "buyer-4", actor="test")
        told = await erasures_since(there, seen)
    finally:
        await there.close()
    assert {each.erased_at for each in told} == {receipt.erased_at}


class BusyRegistry(DirectoryRegistry):
    """One that a refresher works on: while a snapshot is to be copied, a newer one takes its place."""

    rounds = 2

    def fetch(self, kind, version, into):
        if kind == "snapshots" and self.rounds:
            self.rounds -= 1
            refresh(self.url, self)
            self.prune("snapshots", keep=1)
        return super().fetch(kind, version, into)


async def test_versions_may_come_and_go_while_they_are_copied(shop, empty_database_url, open_tmp_path):
    # Promise: a pruned snapshot fails no backup, and what `current` names at the end is in it.
    busy = BusyRegistry(shop.home.registry_dir)
    busy.url = shop.url
    shop.registry = busy
    made = await back_up_of(shop)
    assert not busy.rounds
    _, registry, _ = await restored(shop, empty_database_url, open_tmp_path / "other")
    current = made.aliases["snapshots/current"].version
    assert (registry.read_alias("snapshots", "current").version, registry.versions("snapshots")) == (
        current,
        (current,),
    )


async def test_only_what_the_manifest_names_is_published(shop, empty_database_url, open_tmp_path):
    # Promise: a folder that was laid beside the versions of a backup reaches no registry.
    await back_up_of(shop)
    shutil.copytree(shop.target / "registry" / "models" / "m1", shop.target / "registry" / "models" / "m2")
    _, registry, _ = await restored(shop, empty_database_url, open_tmp_path / "other")
    assert registry.versions("models") == ("m1",)


class BrokenRegistry(DirectoryRegistry):
    """One whose disk is full."""

    def publish(self, *_):
        raise OSError("no space left on device")


async def test_a_restore_that_breaks_off_brings_nobody_back(shop, open_tmp_path):
    # Promise: what came back of the erased goes in the transaction that brought it, dead letters too (G27).
    names = ("session-1", 'odd "buyer" \\ 1', "buyer-1")
    for name in names:
        body = orjson.dumps({"user_id": name}).decode()
        await bury_events(shop.pool, [DeadEvent(uuid4(), body, "r"), DeadEvent(uuid4(), body[4:-2] + '"', "r")])
    await back_up_of(shop)
    for name in names:
        assert (await erase_user(shop.pool, name, actor="test")).dead_letters == 2
    await shop.pool.expire_connections()
    broken = BrokenRegistry(open_tmp_path / "broken")
    with pytest.raises(OSError, match="no space"):
        await asyncio.to_thread(restore, shop.url, broken, shop.target, overwrite=True, on_step=quiet)
    assert await shop.pool.fetchval("SELECT count(*) FROM events WHERE user_id = 'buyer-1'") == 0
    assert await shop.pool.fetchval("SELECT count(*) FROM decisions WHERE user_id = 'buyer-1'") == 0
    bodies = [row["body"] for row in await shop.pool.fetch("SELECT body FROM dead_letter_events ORDER BY 1")]
    assert bodies == ["", "", "", "", "", "", "tab\there, line\nthere, \\N"]
    assert await shop.pool.fetchval("SELECT count(*) FROM events WHERE user_id = 'buyer-2'") > 0


async def test_aliases_and_a_schema_of_others_are_left_alone(shop, empty_database_url, open_tmp_path):
    # Promise: a registry that is at work is pointed elsewhere only when it is told, and an empty database stays empty.
    await back_up_of(shop)
    live = publish_champion(open_tmp_path / "live", "m9")
    with pytest.raises(BackupError, match=r"m9.*--overwrite"):
        await asyncio.to_thread(restore, empty_database_url, live, shop.target, overwrite=False, on_step=quiet)
    assert live.read_alias("models", "champion").version == "m9"
    assert await current_version(empty_database_url) is None


@pytest.mark.parametrize("trace", ["dead letter", "placement"])
async def test_the_smallest_trace_of_an_installation_counts(shop, empty_database_url, open_tmp_path, trace):
    # Promise: what an operator did, or could still need, is not overwritten for want of items.
    await back_up_of(shop)
    await migrate(empty_database_url)
    there = await open_pool(empty_database_url)
    try:
        if trace == "placement":
            await put_placement(there, Placement(name="home", k=3), actor="test")
        else:
            await bury_events(there, [DeadEvent(uuid4(), "body", "r")])
    finally:
        await there.close()
    with pytest.raises(NotEmptyError, match="--overwrite"):
        await restored(shop, empty_database_url, open_tmp_path / "other")


async def test_the_verb_touches_no_secret_where_the_database_is_taken(shop, open_tmp_path):
    # Promise: everything is asked before anything is written.
    await back_up_of(shop)
    place = ("--data-dir", str(open_tmp_path / "fourth"))
    done = await asyncio.to_thread(evershelf, "restore", str(shop.target), *place, EVERSHELF_DATABASE_URL=shop.url)
    assert done.returncode == 1
    assert "the database holds an installation" in done.stderr
    assert not list((open_tmp_path / "fourth").glob("secrets/*"))


async def test_nothing_is_replaced_without_being_told(shop, open_tmp_path):
    # Promise: a database, or secrets, of somebody else stop a restore before anything has changed.
    await back_up_of(shop)
    before = await rows(shop.pool, "audit_log")
    with pytest.raises(NotEmptyError, match="--overwrite"):
        await restored(shop, shop.url, open_tmp_path / "other")
    assert await rows(shop.pool, "audit_log") == before
    other = Installation(open_tmp_path / "third")
    other.prepare()
    with pytest.raises(BackupError, match="--overwrite"):
        require_same_secrets(other, shop.target, opened(shop.target, quiet))
    with pytest.raises(BackupError, match="not empty"):
        await back_up_of(shop)


@pytest.mark.parametrize("spoil", ["no manifest", "a byte", "a file", "a page"])
async def test_half_a_backup_is_refused_before_anything_is_touched(shop, empty_database_url, open_tmp_path, spoil):
    # Promise: what is missing or differs in one bit is found, whichever file it is.
    await back_up_of(shop)
    victim = shop.target / ("backup.json" if spoil == "no manifest" else "database/events.copy.gz")
    content = bytearray(victim.read_bytes())
    if spoil == "a byte":
        content[len(content) // 2] ^= 1
        victim.write_bytes(content)
    elif spoil == "a page":
        victim.write_bytes(content[: len(content) // 2])
    else:
        victim.unlink()
    with pytest.raises(BackupError):
        await restored(shop, empty_database_url, open_tmp_path / "other")
    assert not (open_tmp_path / "other").exists()


async def test_a_backup_cut_off_while_loading_leaves_the_database_as_it_was(shop, open_tmp_path):
    # Promise: the tables change all or nothing, here with rows that PostgreSQL refuses at the very end.
    await back_up_of(shop)
    await shop.pool.execute("ALTER TABLE audit_log ADD CONSTRAINT none CHECK (actor <> 'test') NOT VALID")
    before = {table: await rows(shop.pool, table) for table in TABLES}
    with pytest.raises(Exception, match="Check"):
        await restored(shop, shop.url, open_tmp_path / "other", overwrite=True)
    assert {table: await rows(shop.pool, table) for table in TABLES} == before


async def test_every_table_of_the_schema_is_in_a_backup(pool):
    # Promise: a table that a migration adds cannot be forgotten.
    found = await pool.fetch(
        "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition "
        "AND relnamespace = current_schema()::regnamespace"
    )
    assert {row["relname"] for row in found} - {"alembic_version"} == set(TABLES)


async def test_a_backup_of_a_newer_schema_is_refused(shop, empty_database_url, open_tmp_path):
    # Promise: an older Evershelf does not guess what a newer one wrote.
    await back_up_of(shop)
    path = shop.target / "backup.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"schema_version": "9999"}))
    await migrate(empty_database_url)
    with pytest.raises(Exception, match="newer"):
        await restored(shop, empty_database_url, open_tmp_path / "other")
