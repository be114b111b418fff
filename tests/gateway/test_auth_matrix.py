"""Every address against every kind of key: who may come in stands here, written down independently of the code."""

import pytest
import pytest_asyncio

from evershelf.contracts.keys import Scope
from evershelf.gateway.app import create_app
from evershelf.gateway.settings import GatewaySettings
from tests.gateway.gateway_world import SECRET, open_world

pytestmark = pytest.mark.asyncio(loop_scope="module")
# The longest beginning that fits decides; `admin` implies all other scopes.
SCOPES = {
    "/v1/recommendations": Scope.RECOMMEND,
    "/v1/popular": Scope.RECOMMEND,
    "/v1/items/{item_id}/related": Scope.RECOMMEND,
    "/v1/catalog": Scope.RECOMMEND,
    "/v1/events": Scope.EVENTS,
    "/v1/items": Scope.CATALOG,
    "/v1/items/{item_id}/suppress": Scope.ADMIN,
    "/v1/items/{item_id}/unsuppress": Scope.ADMIN,
    "/v1/users": Scope.CATALOG,
    "/v1/placements": Scope.ADMIN,
    "/v1/admin": Scope.ADMIN,
}
OPEN = {"/livez", "/readyz", "/dependencies", "/metrics", "/problems/{slug}"}


def addresses() -> list[tuple[str, str]]:
    document = create_app(GatewaySettings(key_secret=SECRET)).openapi()
    return [(method.upper(), path) for path, methods in document["paths"].items() for method in methods]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def world(postgres, tmp_path_factory):
    async with open_world(postgres.url, tmp_path_factory.mktemp("matrix")) as world:
        yield world


@pytest.mark.parametrize(("method", "path"), addresses(), ids=lambda value: value)
async def test_every_address_lets_in_whom_it_should_and_nobody_else(world, method, path):
    # Promise (G26): without a key, with a wrong or revoked one 401; with a key of another scope 403; else neither.
    target = path.replace("{", "no-").replace("}", "")

    async def status(headers: dict[str, str]) -> int:
        async with world.client.stream(method, target, headers={"Authorization": "", **headers}) as answer:
            return answer.status_code

    if path in OPEN:
        assert await status({}) not in {401, 403}
        return
    wanted = SCOPES[max((begin for begin in SCOPES if path.startswith(begin)), key=len)]
    wrong = {"Authorization": f"{world.bearer('admin')['Authorization'][:-1]}_"}
    assert [await status(headers) for headers in ({}, wrong, world.bearer("revoked"))] == [401] * 3
    assert await status(world.bearer("none")) == 403
    for scope in Scope:
        assert (await status(world.bearer(scope.value)) not in {401, 403}) == (scope in {wanted, Scope.ADMIN}), scope


async def test_of_several_keys_each_works_until_it_is_revoked(world):
    # Promise: rotation: the new key works before the old one is gone, and the other keys do not notice.
    for name in ("admin", "recommend"):
        answer = await world.client.get("/v1/recommendations", headers=world.bearer(name))
        assert answer.status_code == 200
