"""Placements in PostgreSQL."""

from collections.abc import Sequence
from hashlib import blake2b

from evershelf.contracts.placements import Placement
from evershelf.storage.audit import write_audit
from evershelf.storage.postgres import Connection, Pool, reading, transaction
from evershelf.storage.queries import sql

_VERSION_BYTES = 8


class PlacementChangedError(Exception):
    """The placement is no longer at the version that the edit was made from."""


async def put_placement(pool: Pool, placement: Placement, *, actor: str) -> None:
    """Writes the placement and the audit row."""
    async with transaction(pool) as connection:
        await _write(connection, placement, before=None, actor=actor)


async def replace_placement(
    pool: Pool, placement: Placement, *, expected_version: str | None, defaults: Sequence[Placement], actor: str
) -> None:
    """Writes the placement and the audit row if what it replaces is at `expected_version` (None: there is nothing).

    What is not stored is as in `defaults`. Raises PlacementChangedError, and then has changed nothing.
    """
    async with transaction(pool) as connection:
        await connection.execute(sql("placements.take_turn"), placement.name)
        row = await connection.fetchrow(sql("placements.get"), placement.name)
        known = {each.name: each for each in defaults}.get(placement.name)
        before = Placement.model_validate(row["definition"]) if row is not None else known
        found = None if before is None else placement_version(before)
        if found != expected_version:
            raise PlacementChangedError(
                f"the placement {placement.name!r} is at version {found}, not {expected_version}"
            )
        await _write(connection, placement, before=before, actor=actor)


async def list_placements(pool: Pool) -> list[Placement]:
    """All placements in order of name."""
    async with reading(pool) as connection:
        return [Placement.model_validate(row["definition"]) for row in await connection.fetch(sql("placements.list"))]


def placement_version(placement: Placement) -> str:
    """A name for this very definition: equal definitions have equal versions, on every gateway."""
    return blake2b(placement.model_dump_json().encode(), digest_size=_VERSION_BYTES).hexdigest()


async def _write(connection: Connection, placement: Placement, *, before: Placement | None, actor: str) -> None:
    definition = placement.model_dump(mode="json")
    detail = {"definition": definition} | ({} if before is None else {"before": before.model_dump(mode="json")})
    await connection.execute(sql("placements.put"), placement.name, definition)
    await write_audit(connection, actor=actor, action="placement.put", subject=placement.name, detail=detail)
