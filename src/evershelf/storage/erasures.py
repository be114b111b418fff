"""Erasing a person: everything that is stored of a user goes, only the hash that keeps it from coming back stays."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import uuid4

import orjson

from evershelf.contracts.erasures import Erasure, ErasureReceipt
from evershelf.storage.audit import write_audit
from evershelf.storage.postgres import Connection, Pool, affected, reading, transaction
from evershelf.storage.queries import sql

ERASURES_A_PAGE = 1_000


@dataclass(frozen=True, slots=True)
class Reapplied:
    """What a restored copy still held of persons who had been erased."""

    erasures: int
    events: int
    decisions: int
    attributes: int
    dead_letters: int


async def erase_user(pool: Pool, user_id: str, *, actor: str) -> ErasureReceipt:
    """Removes events, decisions, attributes and dead letters of the user and of the user's nameless sessions.

    All or nothing; doing it again is harmless. What other processes still hold of before is not stored any more.
    The audit row names the erasure, not the user. Raises StorageUnavailable.
    """
    erasure_id, erased_at = uuid4(), datetime.now(UTC)
    async with transaction(pool) as connection:
        await connection.execute(sql("erasures.take_turn"))
        await connection.execute(sql("erasures.lock_decisions"))
        sessions = [row["session_id"] for row in await connection.fetch(sql("erasures.sessions"), user_id)]
        await connection.execute(sql("erasures.record"), erasure_id, user_id, sessions, erased_at)
        receipt = ErasureReceipt(
            erasure_id=erasure_id,
            erased_at=erased_at,
            events=affected(await connection.execute(sql("erasures.events"), user_id, sessions)),
            decisions=affected(await connection.execute(sql("erasures.decisions"), user_id, sessions)),
            attributes=affected(await connection.execute(sql("users.delete"), user_id)),
            dead_letters=await _empty_dead_letters(connection, [user_id, *sessions]),
            sessions=len(sessions),
        )
        detail = receipt.model_dump(mode="json", exclude={"erasure_id", "erased_at"})
        await write_audit(connection, actor=actor, action="user.erase", subject=str(erasure_id), detail=detail)
        await connection.execute(sql("erasures.tell"))
    return receipt


async def _empty_dead_letters(connection: Connection, names: Sequence[str]) -> int:
    # As JSON quotes them, so that a short id is not found within longer ones.
    quoted = [orjson.dumps(name).decode() for name in names]
    return affected(await connection.execute(sql("erasures.dead_letters"), quoted))


async def erasures_since(pool: Pool, sequence: int) -> list[Erasure]:
    """Erasures above `sequence` in their order, at most ERASURES_A_PAGE."""
    async with reading(pool) as connection:
        rows = await connection.fetch(sql("erasures.since"), sequence, ERASURES_A_PAGE)
    return [Erasure(sequence=row["sequence"], digest=row["digest"].hex(), erased_at=row["erased_at"]) for row in rows]


async def erasure_salt(pool: Pool) -> bytes:
    """What the digests of this installation are salted with."""
    async with reading(pool) as connection:
        return bytes(await connection.fetchval(sql("erasures.salt")))


async def reapply_erasures(pool: Pool, remembered: Sequence[Erasure] = ()) -> Reapplied:
    """After a restore: takes up erasures that the copy does not know, and removes again what it holds of them all.

    Reads every event, decision and dead letter once. `remembered` comes from a gateway's mirror of the same
    installation. Raises StorageUnavailable.
    """
    async with transaction(pool) as connection:
        return await reapply(connection, remembered)


async def reapply(connection: Connection, remembered: Sequence[Erasure]) -> Reapplied:
    """The same within the caller's transaction: nobody sees the copy before it is without them."""
    digests = [bytes.fromhex(erasure.digest) for erasure in remembered]
    await connection.execute(sql("erasures.take_turn"))
    await connection.execute(sql("erasures.lock_decisions"))
    restored = affected(
        await connection.execute(sql("erasures.restore"), digests, [each.erased_at for each in remembered])
    )
    return Reapplied(
        erasures=restored,
        events=affected(await connection.execute(sql("erasures.reapply_events"))),
        decisions=affected(await connection.execute(sql("erasures.reapply_decisions"))),
        attributes=affected(await connection.execute(sql("erasures.reapply_users"))),
        dead_letters=affected(await connection.execute(sql("erasures.reapply_dead_letters"))),
    )
