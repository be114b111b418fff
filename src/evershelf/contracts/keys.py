"""API keys: who may call, and for what."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

KEY_OVERLAP_S = 86_400
KEY_OVERLAP_S_MAX = 90 * 86_400


class Scope(StrEnum):
    """What a key allows."""

    RECOMMEND = "recommend"
    EVENTS = "events"
    CATALOG = "catalog"
    ADMIN = "admin"


class StoredKey(BaseModel):
    """A key as kept: never the key itself, only its keyed hash."""

    model_config = ConfigDict(frozen=True)

    key_id: str
    name: str
    digest: str  # hex of BLAKE2b-256 over the secret part, keyed with the installation's key secret
    scopes: tuple[Scope, ...]
    created_at: datetime
    revoked_at: datetime | None = None  # may lie ahead: a key that was rotated holds until then
    quota_per_s: Annotated[float, Field(gt=0)] | None = None  # requests a second; None: what the settings say
