"""Erasing a person: the receipt, and what gateways follow."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict


class ErasureReceipt(BaseModel):
    """What was removed of one user, at once, from PostgreSQL. Gateways forget within a minute, spools as they ship."""

    model_config = ConfigDict(frozen=True)

    erasure_id: UUID
    erased_at: datetime
    events: int
    decisions: int
    attributes: int
    dead_letters: int
    sessions: int


class Erasure(BaseModel):
    """One erased user or session: whose digest this is, was erased up to `erased_at`."""

    model_config = ConfigDict(frozen=True)

    sequence: int
    digest: str  # hex of SHA-256 over the installation's salt and `user:<id>` or `session:<id>`
    erased_at: datetime
