"""A gateway's application around what a test needs: routes, problems and telemetry are real, other parts given."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import httpx2
from fastapi import APIRouter, FastAPI

from evershelf.contracts.health import DependencyState
from evershelf.contracts.keys import Scope, StoredKey
from evershelf.contracts.placements import DEFAULT_PLACEMENTS
from evershelf.gateway import problems
from evershelf.gateway.outside import Clock, Outside
from evershelf.gateway.quotas import Quotas
from evershelf.gateway.settings import GatewaySettings
from evershelf.gateway.telemetry import Telemetry
from evershelf.policy.keys import key_digest

SECRET = "5a" * 32
SECRET_PART = "x" * 32


def bearer(key_id: str, secret_part: str = SECRET_PART) -> dict[str, str]:
    return {"Authorization": f"Bearer evs_{key_id}_{secret_part}"}


def stored_key(key_id: str, *scopes: Scope, revoked_in_s: float | None = None) -> StoredKey:
    now = datetime.now(UTC)
    digest = key_digest(bytes.fromhex(SECRET), SECRET_PART)
    return StoredKey(
        key_id=key_id,
        name=key_id,
        digest=digest,
        scopes=scopes,
        created_at=now,
        revoked_at=None if revoked_in_s is None else now + timedelta(seconds=revoked_in_s),
    )


def small_parts(**given: object) -> SimpleNamespace:
    """Parts with one key a scope (named after it), one revoked, one rotated, no database; `given` replaces or adds."""
    keys = {scope.value: stored_key(scope.value, scope) for scope in Scope}
    keys["revoked"] = stored_key("revoked", *Scope, revoked_in_s=0.0)
    keys["rotated"] = stored_key("rotated", *Scope, revoked_in_s=3_600.0)
    placements = {placement.name: placement for placement in DEFAULT_PLACEMENTS}
    settings = GatewaySettings(key_secret=SECRET)
    parts = {
        "settings": settings,
        "quotas": Quotas(settings, Clock()),
        "erasures": SimpleNamespace(forbids_event=lambda _: False),  # nobody was erased
        "outside": Outside(),
        "telemetry": Telemetry(),
        "mirror": SimpleNamespace(keys=keys, placements=placements, items_changed=0),
        "database": SimpleNamespace(pool=None, state=DependencyState.DOWN, since_s=None, detail="away"),
    }
    return SimpleNamespace(**(parts | given))


@asynccontextmanager
async def client(parts: SimpleNamespace, *routers: APIRouter) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of an application that serves `routers` from `parts`."""
    app = FastAPI()
    app.state.parts = parts
    problems.install(app)
    for router in routers:
        app.include_router(router)
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://gateway") as session:
        yield session
