"""The audit log: who did what to which subject, written in the same transaction as the deed."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from pydantic import JsonValue

from evershelf.storage.postgres import Connection, Pool, reading, transaction
from evershelf.storage.queries import sql

PAGE_MAX = 1_000


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One deed. `audit_id` rises; `at` is when its transaction began."""

    audit_id: int
    at: datetime
    actor: str
    action: str
    subject: str
    detail: Mapping[str, JsonValue]


async def write_audit(
    connection: Connection, *, actor: str, action: str, subject: str, detail: Mapping[str, JsonValue]
) -> None:
    """Adds a row inside the caller's transaction: no deed without its row, no row without its deed."""
    await connection.execute(sql("audit.write"), actor, action, subject, dict(detail))


async def record_deed(pool: Pool, *, actor: str, action: str, subject: str, detail: Mapping[str, JsonValue]) -> bool:
    """Adds a row for a deed that was not done in PostgreSQL; True once it is there."""
    async with transaction(pool) as connection:
        await write_audit(connection, actor=actor, action=action, subject=subject, detail=detail)
    return True


async def list_audit(
    pool: Pool,
    *,
    before: int | None = None,
    limit: int = 100,
    actor: str | None = None,
    action: str | None = None,
    subject: str | None = None,
) -> list[AuditEntry]:
    """Entries, newest first, below the id `before`, of that actor, action and subject; at most PAGE_MAX."""
    async with reading(pool) as connection:
        rows = await connection.fetch(sql("audit.list"), before, min(limit, PAGE_MAX), actor, action, subject)
    return [AuditEntry(*row.values()) for row in rows]
