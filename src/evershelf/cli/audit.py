"""Writes what an operator did to the registry into the audit log, too, where there is a database to write to."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from evershelf.cli.context import operator, reachable_database
from evershelf.cli.output import print_progress

if TYPE_CHECKING:
    from evershelf.contracts.manifest import AliasPointer


def audit(data_dir: Path | None, action: str, pointer: "AliasPointer") -> None:
    """Adds the row, or says on standard error why not: the registry holds the move all the same."""
    from evershelf.storage.errors import StorageError

    url = reachable_database(data_dir)
    if url is None:
        return
    try:
        asyncio.run(_write(url, action, pointer))
    except StorageError as error:
        print_progress(f"evershelf: not in the audit log ({error}); the registry has the move on record")


async def _write(url: str, action: str, pointer: "AliasPointer") -> None:
    from evershelf.storage.audit import record_deed
    from evershelf.storage.postgres import open_pool

    pool = await open_pool(url, size_max=1)
    try:
        await record_deed(
            pool,
            actor=operator(),
            action=action,
            subject=pointer.version,
            detail={"sequence": pointer.sequence, "reason": pointer.reason},
        )
    finally:
        await pool.close()
