"""Keys are verified from memory, and every doubt ends in a refusal."""

from typing import Annotated

import pytest
from fastapi import APIRouter, Depends

from evershelf.contracts.keys import Scope, StoredKey
from evershelf.gateway.auth import require
from tests.gateway.small_app import SECRET_PART, bearer, client, small_parts

ROUTER = APIRouter()


@ROUTER.get("/v1/catalog", dependencies=[Depends(require(Scope.CATALOG))])
async def of_catalog(key: Annotated[StoredKey, Depends(require(Scope.CATALOG))]) -> str:
    return key.name


@pytest.fixture
async def session():
    async with client(small_parts(), ROUTER) as session:
        yield session


async def test_the_right_key_is_let_in_without_a_database(session):
    # Promise: with PostgreSQL away (small_parts has none) a valid key works as ever, and the route learns whose it is.
    response = await session.get("/v1/catalog", headers=bearer("catalog"))
    assert (response.status_code, response.json()) == (200, "catalog")


async def test_admin_implies_every_scope(session):
    # Promise: a key with the scope admin needs no other.
    assert (await session.get("/v1/catalog", headers=bearer("admin"))).json() == "admin"


async def test_a_rotated_key_holds_until_its_end(session):
    # Promise: who still has the old key is served for as long as the overlap lasts; `revoked` has come to that end.
    assert (await session.get("/v1/catalog", headers=bearer("rotated"))).json() == "rotated"


@pytest.mark.parametrize(
    "header",
    [None, "", "Bearer", "Bearer ", "Basic dXNlcjpwYXNz", f"evs_catalog_{SECRET_PART}"],
)
async def test_no_key_is_a_missing_key(session, header):
    # Promise: whoever sends no bearer token learns that one is needed.
    response = await session.get("/v1/catalog", headers={} if header is None else {"Authorization": header})
    assert response.status_code == 401
    assert response.json()["type"] in {"/problems/missing-key", "/problems/wrong-key"}
    assert response.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    "token",
    [
        f"evs_catalog_{'y' * 32}",
        f"evs_unknown_{SECRET_PART}",
        f"evs_revoked_{SECRET_PART}",
        f"EVS_catalog_{SECRET_PART}",
        f"evs_catalog_{SECRET_PART}x",
        f"evs_catalog_{SECRET_PART[:-1]}",
        "evs__",
        "x" * 10_000,
    ],
)
async def test_a_wrong_unknown_or_revoked_key_is_refused_alike(session, token):
    # Promise: the answer does not tell which of the three it was.
    response = await session.get("/v1/catalog", headers={"Authorization": f"Bearer {token}"})
    assert (response.status_code, response.json()["type"]) == (401, "/problems/wrong-key")
    assert token not in response.text


@pytest.mark.parametrize("key_id", ["recommend", "events"])
async def test_a_key_without_the_scope_is_refused(session, key_id):
    # Promise: scopes are kept apart, and the refusal names the one that lacks.
    response = await session.get("/v1/catalog", headers=bearer(key_id))
    assert (response.status_code, response.json()["type"]) == (403, "/problems/missing-scope")
    assert 'scope="catalog"' in response.headers["WWW-Authenticate"]


async def test_the_openapi_document_names_the_scheme(session):
    # Promise: a generated client knows that it must send a bearer token.
    document = (await session.get("/openapi.json")).json()
    assert document["components"]["securitySchemes"]["ApiKey"]["scheme"] == "bearer"
    assert document["paths"]["/v1/catalog"]["get"]["security"] == [{"ApiKey": []}]
