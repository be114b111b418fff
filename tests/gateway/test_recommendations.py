"""What a caller of a running gateway sees: rules kept, events felt, the catalog followed, equal answers to equals."""

import asyncio
import json
import os
import sys
from pathlib import Path
from uuid import uuid4

import pytest
import pytest_asyncio

from tests.gateway.gateway_world import (
    CATEGORIES,
    ITEMS_A_CATEGORY,
    PATIENCE_S,
    SHELF_SIZE,
    eventually,
    ids,
    open_world,
    raw_event,
    valid,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")
ROOT = Path(__file__).resolve().parents[2]
RUNGS = ["related", "popular_in_category", "popular"]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def world(postgres, tmp_path_factory):
    async with open_world(postgres.url, tmp_path_factory.mktemp("recommendations")) as world:
        yield world


@pytest.fixture
def user():
    return f"user-{uuid4()}"


async def place(world, **definition) -> str:
    """Stores a placement of its own and waits until it is in force."""
    name = f"p-{uuid4().hex[:8]}"
    stored = await world.client.put(f"/v1/placements/{name}", json={"name": name} | definition)
    assert stored.status_code == 200, stored.text

    async def known() -> bool:
        return name in world.parts.mirror.placements

    await eventually(known)
    return name


async def test_get_and_post_answer_alike(world, user):
    # Promise: the two ways to ask are one question.
    await world.see(user, "mugs-1")
    wanted = {
        "user_id": user,
        "context_items": ["pots-0", "pots-1"],
        "exclude": ["pots-2"],
        "k": 7,
        "category": "garden",
    }
    got = valid(await world.client.get("/v1/recommendations", params=wanted))
    assert got.items == (await world.ask(**wanted)).items
    assert len(got.items) == 7


@pytest.mark.parametrize("k", [1, 2, 10, SHELF_SIZE, 100])
async def test_k_items_or_all_there_are(world, k):
    # Promise: exactly min(k, eligible) items, on every placement.
    for placement in ("home", "item-page", "cart", "popular", "popular-in-category"):
        assert len((await world.ask(placement=placement, k=k)).items) == min(k, SHELF_SIZE)


async def test_the_answer_explains_itself(world, user):
    # Promise: each rung's share of the list is told, the source is the first item's, because names what was seen.
    await world.see(user, "mugs-0")
    answer = await world.ask(user_id=user, k=SHELF_SIZE)
    assert answer.source == "related"
    assert [piece.item_id for piece in answer.items[0].because] == ["mugs-0"]
    assert sum(attempt.items for attempt in answer.attempts) == len(answer.items)
    assert {place.source for place in answer.items} == {each.source for each in answer.attempts if each.items}
    assert answer.degraded  # there is no inference here
    assert answer.reason in {"inference_unavailable", "circuit_open"}
    assert answer.snapshot.version == world.parts.snapshots.current.version
    assert answer.elapsed_ms >= 0


async def test_related_items_go_with_the_item(world):
    # Promise: the item itself is not among them, and its like come first.
    answer = valid(await world.client.get("/v1/items/lamps-0/related?k=4"))
    assert (answer.placement, answer.source) == ("item-page", "related")
    assert all(item_id.startswith("lamps-") for item_id in ids(answer))
    assert "lamps-0" not in ids(answer)


async def test_popular_is_the_same_for_everybody(world):
    # Promise: best first, of one category and what lies below it where one is named.
    overall = valid(await world.client.get("/v1/popular?k=3"))
    assert (overall.source, overall.reason, overall.degraded) == ("popular", "not_in_ladder", False)
    crime = valid(await world.client.get("/v1/popular?category=books/crime&k=100"))
    assert set(ids(crime)) == {f"crime-{number}" for number in range(ITEMS_A_CATEGORY)}
    assert crime.source == "popular_in_category"
    books = valid(await world.client.get("/v1/popular?category=books&k=100"))
    assert len(books.items) == 2 * ITEMS_A_CATEGORY


async def test_context_items_shape_the_list_and_are_not_on_it(world, user):
    # Promise: what is on the page counts before what this user did.
    await world.see(user, "verse-0")
    answer = await world.ask(user_id=user, context_items=["tools-0", "tools-1"], k=3)
    assert all(item_id.startswith("tools-") for item_id in ids(answer))
    assert {"tools-0", "tools-1"}.isdisjoint(ids(answer))
    assert {piece.item_id for piece in answer.items[0].because} <= {"tools-0", "tools-1"}


@pytest.mark.parametrize("category", [*CATEGORIES, "home", "garden", "books"])
async def test_a_category_filter_holds_on_every_rung(world, user, category):
    # Promise: all items of the category, nothing else, whoever asks.
    await world.see(user, "mugs-0")
    answer = await world.ask(user_id=user, category=category, k=100)
    assert all(any(f"{path}/".startswith(f"{category}/") for path in place.item.categories) for place in answer.items)
    assert len(answer.items) == ITEMS_A_CATEGORY * sum(f"{path}/".startswith(f"{category}/") for path in CATEGORIES)


async def test_excluded_items_stay_away(world, user):
    # Promise: also when next to nothing is left.
    await world.see(user, "mugs-0")
    everything = ids(await world.ask(k=100))
    for excluded in (everything[:10], everything[1:], everything):
        answer = await world.ask(user_id=user, exclude=excluded, k=100)
        assert set(ids(answer)) == set(everything) - set(excluded)


@pytest.mark.parametrize(
    ("seen_items", "viewed_stays", "bought_stays"),
    [("show", True, True), ("hide_purchased", True, False), ("hide", False, False)],
)
async def test_seen_items_follow_the_placement(world, user, seen_items, viewed_stays, bought_stays):
    # Promise: what was viewed or bought is hidden exactly where the placement says so.
    name = await place(world, seen_items=seen_items)
    await world.see(user, "mugs-2")
    await world.see(user, "mugs-3", "purchase")
    shown = ids(await world.ask(placement=name, user_id=user, k=100))
    assert ("mugs-2" in shown, "mugs-3" in shown) == (viewed_stays, bought_stays)


@pytest.mark.parametrize("who", ["user_id", "session_id"])
async def test_an_accepted_event_changes_the_next_answer(world, who):
    # Promise: of the same user, and of the same nameless session, at once; nobody else's.
    name, other = f"{who}-{uuid4()}", f"other-{uuid4()}"
    before = await world.ask(**{who: name})
    event = raw_event(item_id="verse-0") | {"user_id": None, who: name}
    assert (await world.client.post("/v1/events", json={"events": [event]})).json()["accepted"] == 1
    after = await world.ask(**{who: name})
    assert (before.source, after.source) == ("popular", "related")
    assert ids(after)[0].startswith("verse-")
    assert ids(await world.ask(**{who: other})) == ids(before)


async def test_a_session_and_its_user_are_known_together(world, user):
    # Promise: what was done before signing in counts after it.
    session = f"session-{uuid4()}"
    await world.client.post(
        "/v1/events", json={"events": [raw_event(user_id=None, session_id=session, item_id="pots-0")]}
    )
    await world.see(user, "crime-0")
    causes = {piece.item_id for place in (await world.ask(user_id=user, session_id=session, k=12)).items
              for piece in place.because}  # fmt: skip
    assert causes == {"pots-0", "crime-0"}


async def test_history_in_postgresql_is_found(world):
    # Promise: what happened before this process started counts too, as soon as there is time to read it.
    answer = await world.ask(user_id="buyer-1")
    assert answer.source == "related"
    assert {piece.item_id for piece in answer.items[0].because} <= {f"lamps-{n}" for n in range(ITEMS_A_CATEGORY)}


async def test_the_favourite_category_is_the_special_one(world, user):
    # Promise: who looked at verse is shown verse first, not whatever is popular among all books.
    name = await place(world, ladder=["popular_in_category", "popular", "static"], seen_items="hide")
    await world.see(user, "verse-0")
    answer = await world.ask(placement=name, user_id=user, k=ITEMS_A_CATEGORY)
    favourites = [place.item_id for place in answer.items if place.reason == "favourite_category"]
    assert sorted(favourites) == [f"verse-{number}" for number in range(1, ITEMS_A_CATEGORY)]


async def test_a_suppressed_item_leaves_every_rung(world, user):
    # Promise: whichever rung would have shown it, soon none does (a list of 100 takes all of them, `static` too); and
    # it comes back the same way.
    await world.see(user, "tools-1")
    placements = [await place(world, ladder=list(dict.fromkeys([rung, "popular", "static"]))) for rung in RUNGS]

    async def lists() -> list[str]:
        answers = [await world.ask(placement=name, user_id=user, k=100) for name in placements]
        return [place.source for answer in answers for place in answer.items if place.item_id == "tools-0"]

    async def gone() -> bool:
        return await lists() == []

    async def back() -> bool:
        return await lists() == RUNGS

    assert await back()
    assert (await world.client.post("/v1/items/tools-0/suppress?reason=recall")).status_code == 204
    await eventually(gone)
    assert (await world.client.post("/v1/items/tools-0/unsuppress")).status_code == 204
    await eventually(back)


async def test_a_new_item_becomes_known(world, user):
    # Promise: put through the API it can be shown, named in events, and deleted again, without a new snapshot.
    item = {
        "item_id": f"new-{uuid4()}",
        "title": "New",
        "categories": ["attic/clocks"],
        "price": 1250,
        "currency": "EUR",
    }
    path = f"/v1/items/{item['item_id']}"
    assert (await world.client.put(path, json=item)).status_code == 200

    async def shown() -> bool:
        return ids(await world.ask(category="attic")) == [item["item_id"]]

    async def gone() -> bool:
        return ids(await world.ask(category="attic")) == []

    await eventually(shown)
    await world.see(user, item["item_id"])
    assert (await world.ask(category="attic/clocks")).items[0].item.price == 1250
    assert valid(await world.client.get(f"{path}/related")).items
    assert (await world.client.delete(path)).status_code == 204
    await eventually(gone)


async def test_equal_questions_are_answered_alike_by_any_process(world, tmp_path):
    # Promise (G6): byte-identical items on any process under any hash seed, for the same user, context and snapshot.
    questions = [
        {},
        {"user_id": "buyer-2", "k": 40},
        {"context_items": ["mugs-0", "verse-1", "pots-2"], "k": 40},
        {"category": "garden", "k": 40},
    ]
    answers = await asyncio.gather(*(_replayed(world, tmp_path / seed, seed, questions) for seed in ("1", "4242")))
    assert answers[0] == answers[1]
    assert len(answers[0].splitlines()) == len(questions)


async def _replayed(world, folder: Path, hash_seed: str, questions: list[dict]) -> bytes:
    settings = world.settings.model_dump(
        mode="json", include={"registry", "inference_url", "gateway_loop_lag_ms_max"}
    ) | {
        "gateway_data_dir": str(folder),
        "key_secret": world.settings.key_secret.get_secret_value(),
        "database_url": world.settings.database_url.get_secret_value(),
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.gateway.replay",
        env=os.environ | {"PYTHONHASHSEED": hash_seed}, cwd=ROOT,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    sent = json.dumps([settings, questions, world.keys["recommend"]]).encode()
    out, err = await asyncio.wait_for(process.communicate(sent), 3 * PATIENCE_S)
    assert process.returncode == 0, err.decode()
    return b"\n".join(line for line in out.splitlines() if line.startswith(b'"items"'))
