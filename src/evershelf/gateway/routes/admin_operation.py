"""The audit log, the keys and the effective settings."""

import asyncio
import re
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import SecretStr

from evershelf import __version__
from evershelf.contracts.admin_operation import (
    AuditPage,
    AuditRow,
    KeyPage,
    KeyRequest,
    KeyRow,
    NewKey,
    RotationRequest,
    SettingRow,
    SettingsTold,
)
from evershelf.contracts.keys import StoredKey
from evershelf.contracts.problems import ProblemType
from evershelf.contracts.settings import ENV_PREFIX
from evershelf.gateway.auth import key_secret
from evershelf.gateway.parts import Parts, parts_of
from evershelf.gateway.problems import ProblemError
from evershelf.gateway.routes.operator import Limit, Operator, not_found, stored
from evershelf.storage.audit import list_audit
from evershelf.storage.keys import create_key, list_keys, mint_key, revoke_key, rotate_key

router = APIRouter()
MASK = "**********"
UNSET = "(not set)"
_CREDENTIALS = re.compile(r"(?<=://)[^/@\s]+(?=@)")
Text = Annotated[str | None, Query(max_length=200)]


@router.get("/audit")
async def get_audit(  # noqa: PLR0917 - FastAPI calls it by name; each parameter is one of the query string
    http: Request,
    before: int | None = None,
    actor: Text = None,
    action: Text = None,
    subject: Text = None,
    limit: Limit = 50,
) -> AuditPage:
    """Who did what, newest first."""
    entries = await stored(
        parts_of(http),
        lambda pool: list_audit(pool, before=before, limit=limit + 1, actor=actor, action=action, subject=subject),
    )
    rows = [
        AuditRow(
            audit_id=each.audit_id,
            at=each.at,
            actor=each.actor,
            action=each.action,
            subject=each.subject,
            detail=dict(each.detail),
        )
        for each in entries[:limit]
    ]
    return AuditPage(entries=rows, next_before=rows[-1].audit_id if len(entries) > limit else None)


@router.get("/keys")
async def get_keys(http: Request, operator: Operator, after: Text = None, limit: Limit = 100) -> KeyPage:
    """The keys that this gateway knows, revoked ones too, newest first; nothing secret of them."""
    keys = sorted(parts_of(http).mirror.keys.values(), key=lambda key: (key.created_at, key.key_id), reverse=True)
    begin = next((at for at, key in enumerate(keys, start=1) if key.key_id == after), 0)
    page = keys[begin : begin + limit]
    return KeyPage(
        keys=[_key_row(key, operator) for key in page],
        next_after=page[-1].key_id if begin + limit < len(keys) else None,
    )


@router.post("/keys", status_code=201)
async def make_key(http: Request, operator: Operator, wanted: KeyRequest) -> NewKey:
    """Make a key and tell it, this once. It works on every gateway within seconds; audited."""
    parts = parts_of(http)
    plain, kept = mint_key(key_secret(parts), wanted.name, wanted.scopes, quota_per_s=wanted.quota_per_s)
    await stored(parts, lambda pool: create_key(pool, kept, actor=operator.name))
    return NewKey(key=plain, row=_key_row(kept, operator))


@router.post("/keys/{key_id}/rotate", status_code=201)
async def rotate(http: Request, operator: Operator, key_id: str, wanted: RotationRequest) -> NewKey:
    """Make a key that takes another one's place, with its scopes and quota, and tell it, this once; audited.

    The old one holds for the overlap. The key that asks cannot end with its own answer.
    """
    parts = parts_of(http)
    if key_id == operator.key_id and wanted.overlap_s == 0:
        raise ProblemError(ProblemType.CONFLICT, "This is the key that asks: give it an overlap.")
    secret, overlap = key_secret(parts), timedelta(seconds=wanted.overlap_s)
    made = await stored(parts, lambda pool: rotate_key(pool, secret, key_id, overlap=overlap, actor=operator.name))
    if made is None:
        await _kept_key(parts, key_id)
        raise ProblemError(ProblemType.CONFLICT, "This key is revoked, or was rotated before.")
    plain, kept = made
    return NewKey(key=plain, row=_key_row(kept, operator))


@router.post("/keys/{key_id}/revoke")
async def revoke(http: Request, operator: Operator, key_id: str) -> KeyRow:
    """Revoke a key on every gateway within seconds; audited. The key that asks cannot revoke itself."""
    parts = parts_of(http)
    if key_id == operator.key_id:
        raise ProblemError(ProblemType.CONFLICT, "This is the key that asks: revoke it with another one.")
    await stored(parts, lambda pool: revoke_key(pool, key_id, actor=operator.name))
    return _key_row(await _kept_key(parts, key_id), operator)


@router.get("/settings")
async def get_settings(http: Request) -> SettingsTold:
    """What this gateway runs with, and where each value came from; secrets are masked."""
    settings = parts_of(http).settings
    origins = await asyncio.to_thread(settings.origins)
    rows = [_setting_row(name, getattr(settings, name), origin) for name, origin in origins.items()]
    return SettingsTold(version=__version__, settings=rows)


async def _kept_key(parts: Parts, key_id: str) -> StoredKey:
    for key in await stored(parts, list_keys):
        if key.key_id == key_id:
            return key
    raise not_found(f"key {key_id!r}")


def _key_row(key: StoredKey, operator: StoredKey) -> KeyRow:
    return KeyRow(
        key_id=key.key_id,
        name=key.name,
        scopes=list(key.scopes),
        created_at=key.created_at,
        revoked_at=key.revoked_at,
        quota_per_s=key.quota_per_s,
        own=key.key_id == operator.key_id,
    )


def _setting_row(name: str, value: object, origin: str) -> SettingRow:
    secret = isinstance(value, SecretStr)
    told = UNSET if value is None else MASK if secret else _CREDENTIALS.sub(MASK, str(value))
    return SettingRow(variable=f"{ENV_PREFIX}{name}".upper(), value=told, origin=origin, secret=secret)
