"""Old code on a new schema: migrations only add, and a gateway that is older than its database goes on in full."""

import asyncpg
import pytest

from evershelf.storage.migrate import migrate
from evershelf.storage.schema import expected_version
from evershelf.storage.upgrade import _text, migration_files, only_adds, plan_upgrade
from tests.gateway.gateway_world import eventually, items, open_world, raw_event, valid

# What the next release may do to the tables that this one uses.
TOMORROW = """
ALTER TABLE events ADD COLUMN device text;
ALTER TABLE items ADD COLUMN rating double precision NOT NULL DEFAULT 0;
ALTER TABLE users ADD COLUMN segment text;
ALTER TABLE decisions ADD COLUMN shelf text NOT NULL DEFAULT '';
ALTER TABLE api_keys ADD COLUMN owner text;
ALTER TABLE placements ADD COLUMN edition integer NOT NULL DEFAULT 1;
ALTER TABLE audit_log ADD COLUMN host text;
CREATE TABLE of_tomorrow (id integer PRIMARY KEY);
CREATE INDEX events_item ON events (item_id);
UPDATE alembic_version SET version_num = '9999';
"""


@pytest.mark.parametrize("name", sorted(migration_files().values())[1:])
def test_every_migration_only_adds(name):
    # Promise: gateways of the version before go on while, and after, the schema moves.
    assert only_adds(_text(name))


@pytest.mark.parametrize(
    "step",
    [
        "DROP TABLE items;",
        "ALTER TABLE items DROP COLUMN title",
        "ALTER TABLE items RENAME COLUMN title TO name",
        "alter table items alter column price type text",
        "ALTER TABLE items ALTER COLUMN price SET NOT NULL",
        "ALTER TABLE items ALTER COLUMN price SET DATA TYPE text",
        "ALTER TABLE items ADD COLUMN size numeric(8, 2) NOT NULL",
        "ALTER TABLE items ADD COLUMN note text, ADD COLUMN size integer NOT NULL",
        "ALTER TABLE items ADD COLUMN note text, DROP title",
        "ALTER TABLE items ADD COLUMN note text,DROP title",
        "ALTER TABLE items DROP title",
        "SELECT drop_month_partitions('events', now())",
        "ALTER TABLE items DROP CONSTRAINT items_pkey",
        "ALTER TABLE items ADD CONSTRAINT dear CHECK (price > 1)",
        "DROP VIEW shelf",
        "CREATE UNIQUE INDEX only_one ON items (title)",
        "CREATE TABLE note (id integer); TRUNCATE items",
        "DO $$ BEGIN DROP TABLE items; END $$",
    ],
)
def test_a_step_that_takes_away_is_seen(step):
    # Promise: the check finds what older code would stumble over; a comment about it is none.
    assert not only_adds(step)
    assert only_adds(f"-- {step}\nCREATE TABLE note (id integer);")


@pytest.mark.parametrize("step", [step for step in TOMORROW.split(";") if "UPDATE" not in step])
def test_a_step_that_adds_is_let_pass(step):
    # Promise: new tables, indexes and columns with a default, or none that must be filled.
    assert only_adds(step)


async def test_the_plan_of_an_upgrade_is_what_is_then_applied(empty_database_url, database_url):
    # Promise: `upgrade --check` names what is missing and changes nothing.
    before, planned = await plan_upgrade(empty_database_url)
    assert before is None
    assert await plan_upgrade(empty_database_url) == (None, planned)
    assert (await migrate(empty_database_url)).applied == tuple(each.version for each in planned)
    assert await plan_upgrade(database_url) == (expected_version(), ())


async def test_a_gateway_goes_on_while_its_database_becomes_newer(postgres, tmp_path):
    # Promise: answers, events, histories, decisions and keys work on the schema of the release after this one.
    async with open_world(postgres.url, tmp_path) as world:
        valid(await world.client.get("/v1/recommendations?user_id=buyer-0"))
        await world.pool.execute(TOMORROW)
        answer = valid(await world.client.get("/v1/recommendations?user_id=buyer-1"))
        await world.see("ann", "mugs-0")
        event = raw_event(user_id="eve")
        await world.client.post("/v1/events", json={"events": [event]})
        wrote = await world.client.put("/v1/items/mugs-0", json=items()[0].model_dump(mode="json") | {"title": "newer"})
        assert wrote.status_code < 300, wrote.text

        async def all_there() -> bool:
            stored = await world.pool.fetchval("SELECT count(*) FROM events WHERE user_id IN ('ann', 'eve')")
            kept = await world.pool.fetchval(
                "SELECT count(*) FROM decisions WHERE recommendation_id = $1", answer.recommendation_id
            )
            return (stored, kept) == (2, 1)

        await eventually(all_there)
        assert (await world.client.get("/readyz")).status_code == 200
        assert await world.pool.fetchval("SELECT title FROM items WHERE item_id = 'mugs-0'") == "newer"


async def test_a_database_from_tomorrow_is_left_alone_by_migrators_of_today(database_url):
    # Promise: an older `migrate` changes nothing of a newer schema and says so.
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute(TOMORROW)
        with pytest.raises(Exception, match="newer"):
            await migrate(database_url)
        with pytest.raises(Exception, match="newer"):
            await plan_upgrade(database_url)
    finally:
        await connection.close()
