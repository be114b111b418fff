"""API keys in PostgreSQL: only their keyed hashes are kept."""

import hmac
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from evershelf.contracts.keys import Scope, StoredKey
from evershelf.policy.keys import KEY_PREFIX, key_digest, parse_key
from evershelf.storage.audit import write_audit
from evershelf.storage.errors import StorageRefused
from evershelf.storage.postgres import Connection, Pool, affected, reading, transaction
from evershelf.storage.queries import sql

KEYS_MAX = 10_000
_ID_BYTES = 6
_SECRET_BYTES = 32


def mint_key(
    secret: bytes, name: str, scopes: Sequence[Scope], *, quota_per_s: float | None = None
) -> tuple[str, StoredKey]:
    """A new key: its plain text, to be shown once, and what to keep of it; `secret` has 1..64 bytes."""
    key_id, secret_part = secrets.token_hex(_ID_BYTES), secrets.token_urlsafe(_SECRET_BYTES)
    stored = StoredKey(
        key_id=key_id,
        name=name,
        digest=key_digest(secret, secret_part),
        scopes=tuple(sorted(set(scopes))),
        created_at=datetime.now(UTC),
        quota_per_s=quota_per_s,
    )
    return f"{KEY_PREFIX}_{key_id}_{secret_part}", stored


class KeyTakenError(StorageRefused):
    """A key of this id is kept already, with another secret or other scopes, or has ended."""


def adopted_key(secret: bytes, plain: str, name: str, scopes: Sequence[Scope]) -> StoredKey:
    """What to keep of a key that was made elsewhere; ValueError for another shape than `evs_<key_id>_<secret>`."""
    parsed = parse_key(plain)
    if parsed is None:
        raise ValueError(
            f"a key has the shape {KEY_PREFIX}_<lower-case letters and digits>_<16 to 128 letters and digits>"
        )
    return StoredKey(
        key_id=parsed.key_id,
        name=name,
        digest=key_digest(secret, parsed.secret_part),
        scopes=tuple(sorted(set(scopes))),
        created_at=datetime.now(UTC),
    )


async def keep_key(pool: Pool, key: StoredKey, *, actor: str) -> bool:
    """Keeps the key if it is not kept yet, else False: one that was rotated is kept until it ends.

    Raises KeyTakenError where its id means something else, or the key has ended.
    """
    if await _added(pool, key, actor=actor):
        return True
    known = {stored.key_id: stored for stored in await list_keys(pool)}.get(key.key_id)
    if known is None or not _same(known, key):
        raise KeyTakenError(f"a key {key.key_id} is kept already, with another secret or other scopes")
    if known.revoked_at is not None and known.revoked_at <= datetime.now(UTC):
        raise KeyTakenError(f"the key {key.key_id} ended at {known.revoked_at:%Y-%m-%d %H:%M} UTC: give a new one")
    return False


def _same(one: StoredKey, other: StoredKey) -> bool:
    return hmac.compare_digest(one.digest, other.digest) and set(one.scopes) == set(other.scopes)


async def create_key(pool: Pool, key: StoredKey, *, actor: str) -> None:
    """Keeps a minted key and writes the audit row. Raises KeyTakenError where its id is kept already."""
    if not await _added(pool, key, actor=actor):
        raise KeyTakenError(f"a key {key.key_id} is kept already")


async def _added(pool: Pool, key: StoredKey, *, actor: str) -> bool:
    # PostgreSQL decides who is first, so that two who start at once find one key and one audit row.
    async with transaction(pool) as connection:
        if not await _insert(connection, key):
            return False
        await write_audit(
            connection,
            actor=actor,
            action="key.create",
            subject=key.key_id,
            detail={"name": key.name, "scopes": [*key.scopes], "quota_per_s": key.quota_per_s},
        )
    return True


async def _insert(connection: Connection, key: StoredKey) -> bool:
    scopes = [scope.value for scope in key.scopes]
    status = await connection.execute(
        sql("keys.create"), key.key_id, key.name, key.digest, scopes, key.created_at, key.quota_per_s
    )
    return affected(status) == 1


async def revoke_key(pool: Pool, key_id: str, *, actor: str) -> bool:
    """Revokes the key and writes the audit row; False where there is none or it already was."""
    async with transaction(pool) as connection:
        done = affected(await connection.execute(sql("keys.revoke"), key_id)) == 1
        if done:
            await write_audit(connection, actor=actor, action="key.revoke", subject=key_id, detail={})
    return done


async def rotate_key(
    pool: Pool, secret: bytes, key_id: str, *, overlap: timedelta, actor: str
) -> tuple[str, StoredKey] | None:
    """A new key for the same, and the plain text of it; the old one holds for `overlap`. Audited.

    None where there is no such key, or it is revoked or was rotated before.
    """
    async with transaction(pool) as connection:
        row = await connection.fetchrow(sql("keys.find_valid"), key_id)
        if row is None:
            return None
        old = StoredKey.model_validate(dict(row))
        plain, new = mint_key(secret, old.name, old.scopes, quota_per_s=old.quota_per_s)
        await _insert(connection, new)
        until = new.created_at + overlap
        await connection.execute(sql("keys.revoke_at"), key_id, until)
        detail = {"new_key_id": new.key_id, "old_until": until.isoformat()}
        await write_audit(connection, actor=actor, action="key.rotate", subject=key_id, detail=detail)
    return plain, new


async def list_keys(pool: Pool) -> list[StoredKey]:
    """All keys (at most KEYS_MAX), revoked ones too, oldest first."""
    async with reading(pool) as connection:
        return [StoredKey.model_validate(dict(row)) for row in await connection.fetch(sql("keys.list"), KEYS_MAX)]
