"""What can happen to PostgreSQL: stopped, frozen, read-only, full, locked, of another schema."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from evershelf.drills.injection import Witness, sure
from evershelf.drills.rig import POSTGRES, Rig
from evershelf.drills.small_disk import fill, relieve, small_disk

CONNECTIONS_HELD_MAX = 500
TAKE_AGAIN_S = 0.1
DISK_MB = 24
_FEW_MEGABYTES = "CREATE TABLE drill_probe TABLESPACE small AS SELECT generate_series(1, 100000) AS number"


@asynccontextmanager
async def stopped(rig: Rig) -> AsyncIterator[Witness]:
    """`pg_ctl stop -m immediate`; the next start recovers."""
    rig.stop_postgres()
    try:
        yield sure
    finally:
        rig.start_postgres()


@asynccontextmanager
async def frozen(rig: Rig) -> AsyncIterator[Witness]:
    """SIGSTOP to the server and all of its processes."""
    rig.signal_postgres(signal.SIGSTOP)
    try:
        yield sure
    finally:
        rig.signal_postgres(signal.SIGCONT)


@asynccontextmanager
async def read_only(rig: Rig) -> AsyncIterator[Witness]:
    """Every transaction is read-only, as on a standby."""
    await rig.sql("ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()")
    try:
        yield _refuses_to_write(rig)
    finally:
        await rig.sql(
            "SET default_transaction_read_only = off",
            "ALTER SYSTEM RESET default_transaction_read_only",
            "SELECT pg_reload_conf()",
        )


@asynccontextmanager
async def locked(rig: Rig) -> AsyncIterator[Witness]:
    """LOCK TABLE events, users and decisions in the hardest mode, held until healed."""
    connection = await asyncpg.connect(rig.postgres.url)
    try:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute("LOCK TABLE events, decisions, api_keys, items IN ACCESS EXCLUSIVE MODE")
        yield sure
        await transaction.rollback()
    finally:
        await connection.close()


@asynccontextmanager
async def without_connections(rig: Rig) -> AsyncIterator[Witness]:
    """Others hold every connection that the server has, the reserved ones too; the gateway's own are cut."""
    held: list[asyncpg.Connection[asyncpg.Record]] = []

    async def take_all() -> None:
        while len(held) < CONNECTIONS_HELD_MAX:
            try:
                held.append(await asyncpg.connect(rig.postgres.url))
            except asyncpg.TooManyConnectionsError:
                return

    async def take_what_is_given_back() -> None:  # a process whose connection was cut may end later
        while True:
            await asyncio.sleep(TAKE_AGAIN_S)
            await take_all()

    async def felt() -> bool:
        try:
            await rig.sql("SELECT 1")
        except asyncpg.TooManyConnectionsError:
            return True
        return False

    rig.proxy.cut(POSTGRES)
    try:
        await take_all()
        taking = asyncio.create_task(take_what_is_given_back())
        try:
            yield felt
        finally:
            taking.cancel()
            await asyncio.wait({taking})
    finally:
        await asyncio.gather(*(connection.close() for connection in held))


@asynccontextmanager
async def another_schema(rig: Rig) -> AsyncIterator[Witness]:
    """The table of events is not where this version expects it."""
    await rig.sql("ALTER TABLE events RENAME TO events_elsewhere")
    try:
        yield sure
    finally:
        await rig.sql("ALTER TABLE events_elsewhere RENAME TO events")


@asynccontextmanager
async def full(rig: Rig) -> AsyncIterator[Witness]:
    """New events go to a table space on a disk of a few MB, and that disk is full."""
    with small_disk(rig.folder / "postgres-disk", megabytes=DISK_MB) as disk:
        folder = disk / "space"
        folder.mkdir(mode=0o700)
        owner = (rig.folder / "postgres" / "cluster").stat()
        os.chown(folder, owner.st_uid, owner.st_gid)
        (partition,) = await rig.sql(
            "SELECT 'events_' || to_char(now() AT TIME ZONE 'UTC', 'YYYY_MM') AS name, "
            "ensure_month_partitions('events', now(), now())"
        )
        name = str(partition["name"])
        await rig.sql(f"CREATE TABLESPACE small LOCATION '{folder}'")
        await rig.sql(f"ALTER TABLE {name} SET TABLESPACE small")
        fill(disk)
        try:
            yield _has_no_room(rig)
        finally:
            relieve(disk)
            await rig.sql(f"ALTER TABLE {name} SET TABLESPACE pg_default", "CHECKPOINT", "DROP TABLESPACE small")


def _refuses_to_write(rig: Rig) -> Witness:
    async def felt() -> bool:
        try:
            await rig.sql("CREATE TABLE drill_probe ()", "DROP TABLE drill_probe")
        except asyncpg.ReadOnlySQLTransactionError:
            return True
        return False

    return felt


def _has_no_room(rig: Rig) -> Witness:
    async def felt() -> bool:
        try:
            await rig.sql(
                "CREATE TABLE drill_probe TABLESPACE small AS SELECT repeat('x', 8000) FROM generate_series(1, 999)"
            )
        except asyncpg.DiskFullError:
            return True
        return False

    return felt
