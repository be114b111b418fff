"""The operator's API on a real gateway with a real PostgreSQL: every page answers, also when PostgreSQL is gone."""

import pytest

from evershelf.contracts.admin_decisions import DecisionPage
from tests.gateway.gateway_world import eventually, open_world

PAGES = (
    "/v1/admin/overview",
    "/v1/admin/overview?window_s=86400&points_max=300",
    "/v1/admin/resilience",
    "/v1/admin/data-health",
    "/v1/admin/dependencies",
    "/v1/admin/decisions",
    "/v1/admin/models",
    "/v1/admin/items?q=mugs",
    "/v1/admin/items/mugs-0",
    "/v1/admin/users",
    "/v1/admin/users/ann",
    "/v1/admin/placements",
    "/v1/admin/drills",
    "/v1/admin/keys",
    "/v1/admin/settings",
    "/v1/catalog/categories",
    "/v1/catalog/items?q=mu",
    "/v1/catalog/items/mugs-0",
)
NEEDS_DATABASE = ("/v1/admin/audit",)


@pytest.fixture
async def world(postgres, tmp_path):
    async with open_world(postgres.url, tmp_path) as world:
        await eventually(lambda: _indexed(world))
        yield world


async def _indexed(world) -> bool:
    return world.parts.catalog.words is not None


async def test_every_page_answers_an_operator_and_nobody_else(world):
    # Promise: the scope admin opens every page of the console; other keys and none are refused.
    for path in (*PAGES, *NEEDS_DATABASE):
        answer = await world.client.get(path)
        assert answer.status_code == 200, (path, answer.text)
        refused = await world.client.get(path, headers=world.bearer("none"))
        assert refused.status_code == 403, path


async def test_the_console_stands_while_postgresql_is_away(world):
    # Promise: without PostgreSQL every page answers from memory, and the one that cannot says so.
    await world.ask(user_id="ann")
    world.parts.database._lose("gone for this test")
    world.parts.database._task.cancel()
    for path in PAGES:
        answer = await world.client.get(path)
        assert answer.status_code == 200, (path, answer.text)
    refused = await world.client.get("/v1/admin/audit")
    assert (refused.status_code, refused.json()["type"]) == (503, "/problems/database-unavailable")
    page = DecisionPage.model_validate_json((await world.client.get("/v1/admin/decisions?user_id=ann")).content)
    assert (page.origin, len(page.decisions)) == ("memory", 1)
    assert "PostgreSQL is away" in page.note
