"""Placements in PostgreSQL."""

from evershelf.contracts.placements import Placement
from evershelf.storage.audit import write_audit
from evershelf.storage.postgres import Pool, reading, transaction
from evershelf.storage.queries import sql


async def put_placement(pool: Pool, placement: Placement, *, actor: str) -> None:
    """Writes the placement and the audit row."""
    definition = placement.model_dump(mode="json")
    async with transaction(pool) as connection:
        await connection.execute(sql("placements.put"), placement.name, definition)
        await write_audit(
            connection, actor=actor, action="placement.put", subject=placement.name, detail={"definition": definition}
        )


async def list_placements(pool: Pool) -> list[Placement]:
    """All placements in order of name."""
    async with reading(pool) as connection:
        return [Placement.model_validate(row["definition"]) for row in await connection.fetch(sql("placements.list"))]
