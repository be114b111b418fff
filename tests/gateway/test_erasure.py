"""Erasing a person (G27): afterwards nothing anywhere holds a byte of them, and nothing brings them back."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
import pytest_asyncio

from evershelf.gateway.mirror import read_erasures
from evershelf.storage.erasures import reapply_erasures
from tests.gateway.gateway_world import eventually, ids, open_world, raw_event, valid

pytestmark = pytest.mark.asyncio(loop_scope="module")
ASK = "/v1/recommendations"


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def world(postgres, tmp_path_factory):
    async with open_world(postgres.url, tmp_path_factory.mktemp("erasure")) as world:
        yield world


@pytest.fixture
def mark() -> str:
    """Bytes that stand nowhere else."""
    return f"zq{uuid4().hex}qz"


async def send(world, **fields: object) -> str:
    event = raw_event(**fields)
    answer = await world.client.post("/v1/events", json={"events": [event]})
    assert answer.json()["results"][0]["status"].startswith("accepted"), answer.text
    return event["event_id"]


async def live(world, mark: str) -> None:
    """A person does everything that leaves a trace."""
    user, session = f"user-{mark}", f"session-{mark}"
    attributes = {"user_id": user, "attributes": {"note": f"note-{mark}"}}
    assert (await world.client.put(f"/v1/users/{user}", json=attributes)).status_code == 200
    await send(world, user_id=None, session_id=session, item_id="mugs-0")  # before signing in
    await send(world, user_id=user, session_id=session, item_id="mugs-1")
    await send(world, user_id=user, item_id=f"item-{mark}", event_type="purchase")
    for question in (f"user_id={user}", f"session_id={session}", f"user_id={user}&session_id={session}&k=3"):
        valid(await world.client.get(f"{ASK}?{question}", headers={"X-Request-Deadline-Ms": "2000"}))
    await world.ask(user_id=user, exclude=[f"item-{mark}"])
    await world.pool.execute(
        "INSERT INTO dead_letter_events (event_id, body, reason) VALUES ($1, $2, 'too odd')",
        uuid4(), json.dumps({"user_id": user}),
    )  # fmt: skip


async def traces(world, mark: str) -> list[str]:
    """Every table, file, metric and part in memory that holds the mark."""
    names = await world.pool.fetch(
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
    )
    found = []
    for (name,) in names:
        query = f'SELECT count(*) FROM "{name}" AS entry WHERE strpos(entry::text, $1) > 0'
        if await world.pool.fetchval(query, mark):
            found.append(f"table {name}")
    folders = (world.settings.gateway_data_dir, Path(world.settings.registry))
    for path in (path for folder in folders for path in list(folder.rglob("*")) if not path.is_dir()):
        try:
            if mark.encode() in path.read_bytes():
                found.append(f"file {path.name}")
        except FileNotFoundError:
            found.append(f"file {path.name}, which was given its name just now: its words are still to be read")
    if mark in (await world.client.get("/metrics")).text:
        found.append("metrics")
    if mark in repr(world.parts.history.known()):
        found.append("history")
    if mark in repr((world.parts.decisions.latest(1_000), world.parts.decisions._told)):
        found.append("decisions")
    return found


async def test_of_an_erased_person_nothing_is_left_anywhere(world, mark, capfd):
    # Promise: tables, files, metrics, memory and logs; and the receipt says what there was.
    await live(world, mark)

    async def stored() -> bool:
        query = "SELECT count(*) FROM decisions AS entry WHERE strpos(entry::text, $1) > 0"
        return world.parts.spool.counts().pending == 0 and await world.pool.fetchval(query, mark) == 4

    await eventually(stored)
    assert {"table users", "history", "decisions", "table dead_letter_events"} <= set(await traces(world, mark))
    receipt = (await world.client.delete(f"/v1/users/user-{mark}")).json()
    assert {name: receipt[name] for name in ("events", "attributes", "dead_letters", "sessions")} == {
        "events": 3, "attributes": 1, "dead_letters": 1, "sessions": 1,
    }  # fmt: skip
    assert receipt["decisions"] == 4

    async def gone() -> bool:
        return await traces(world, mark) == []

    await eventually(gone)
    logged = capfd.readouterr()
    assert mark not in logged.out + logged.err
    assert receipt["erasure_id"] in repr(await world.pool.fetch("SELECT subject FROM audit_log"))


async def test_after_an_erasure_the_person_is_a_stranger(world, mark):
    # Promise: serving forgets at once on the gateway that was asked, and soon on the others, which follow the same way.
    user = f"user-{mark}"
    await send(world, user_id=user, item_id="verse-0")
    assert ids(await world.ask(user_id=user))[0].startswith("verse-")
    assert (await world.client.delete(f"/v1/users/{user}")).status_code == 200

    async def stranger() -> bool:
        answer = valid(await world.client.get(f"{ASK}?user_id={user}", headers={"X-Request-Deadline-Ms": "2000"}))
        return answer.source == "popular"

    await eventually(stranger)


async def test_what_is_late_is_not_stored_and_what_is_new_is(world, mark):
    # Promise: an event from before the erasure that arrives after it leaves no trace; the person may come back, though.
    user = f"user-{mark}"
    assert (await world.client.delete(f"/v1/users/{user}")).json()[
        "events"
    ] == 0  # of a stranger: a receipt all the same

    async def known() -> bool:
        return world.parts.erasures.forbids(user, None, 0.0)

    await eventually(known)
    late = datetime.now(UTC) - timedelta(hours=1)
    await send(world, user_id=user, item_id="crime-0", occurred_at=late.isoformat())
    assert (await world.ask(user_id=user)).source == "popular"
    fresh = await send(world, user_id=user, item_id="pots-0", occurred_at=datetime.now(UTC).isoformat())

    async def shipped() -> bool:
        return world.parts.spool.counts().pending == 0

    await eventually(shipped)
    rows = await world.pool.fetch("SELECT event_id FROM events WHERE user_id = $1", user)
    assert [str(row["event_id"]) for row in rows] == [fresh]
    counts = world.parts.spool.counts()
    assert counts.accepted == counts.stored + counts.dead + counts.pending
    assert ids(await world.ask(user_id=user))[0].startswith("pots-")


async def test_a_restored_backup_forgets_again(world, mark):
    # Promise: erasures outlive a backup that is older than they are: a gateway's mirror remembers them.
    user = f"user-{mark}"
    event_id = await send(world, user_id=user, item_id="lamps-0")

    async def stored() -> bool:
        return await world.pool.fetchval("SELECT count(*) FROM events WHERE user_id = $1", user) == 1

    await eventually(stored)
    backup = await world.pool.fetch("SELECT * FROM events WHERE user_id = $1", user)
    assert (await world.client.delete(f"/v1/users/{user}")).json()["events"] == 1
    path = world.settings.gateway_data_dir / "mirror.json"

    async def remembered() -> bool:
        erasures = await asyncio.to_thread(read_erasures, path)
        return len(erasures) == await world.pool.fetchval("SELECT count(*) FROM erasures")

    await eventually(remembered)
    await world.pool.execute("DELETE FROM erasures")  # as the backup was
    columns = ", ".join(f"${number + 1}" for number in range(len(backup[0])))
    await world.pool.execute(f"INSERT INTO events VALUES ({columns})", *backup[0].values())
    done = await reapply_erasures(world.pool, read_erasures(path))
    assert (done.events, done.erasures >= 1) == (1, True)
    assert await world.pool.fetchval("SELECT count(*) FROM events WHERE event_id = $1", event_id) == 0
    assert (await reapply_erasures(world.pool, read_erasures(path))).erasures == 0
