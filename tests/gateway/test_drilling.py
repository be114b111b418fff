"""Drills: a fault on a share of the traffic, honestly marked, that ends by itself and leaves a report."""

from dataclasses import replace

import pytest

from evershelf.contracts.admin_operation import Drill, Drills
from evershelf.contracts.recommendations import RecommendationRequest, Source
from evershelf.gateway.preview import considered
from evershelf.gateway.recommend import decide
from evershelf.gateway.rehearsal import Rehearsals
from evershelf.storage.audit import list_audit
from tests.gateway.gateway_world import eventually, open_world, serving, valid
from tests.gateway.hostile_inference import hostile_inference
from tests.gateway.test_hostile_inference import GOOD

PATIENT = "2000"


@pytest.fixture
async def inference():
    async with hostile_inference(GOOD) as inference:
        yield inference


@pytest.fixture
async def world(postgres, tmp_path, inference):
    async with open_world(postgres.url, tmp_path, inference_url=f"http://127.0.0.1:{inference.port}") as world:
        world.client.headers["X-Request-Deadline-Ms"] = PATIENT
        await world.see("ann", "mugs-0")
        yield world


async def start(world, **wanted) -> Drill:
    answer = await world.client.post("/v1/admin/drills", json={"share": 1, "duration_s": 60} | wanted)
    assert answer.status_code == 201, answer.text
    return Drill.model_validate_json(answer.content)


async def stop(world, drill: Drill) -> Drill:
    answer = await world.client.post(f"/v1/admin/drills/{drill.drill_id}/stop")
    assert answer.status_code == 200, answer.text
    return Drill.model_validate_json(answer.content)


async def drills(world) -> Drills:
    return Drills.model_validate_json((await world.client.get("/v1/admin/drills")).content)


@pytest.mark.parametrize(
    ("fault", "source", "reason"),
    [
        ({"kind": "inference_off"}, "related", "inference_unavailable"),
        ({"kind": "history_off"}, "model", "personalized"),
        ({"kind": "rungs_off", "rungs": ["model"]}, "related", "not_in_ladder"),
        ({"kind": "rungs_off", "rungs": ["model", "related"]}, "popular_in_category", "not_in_ladder"),
        ({"kind": "rungs_off", "rungs": ["model", "related", "popular_in_category"]}, "popular", "not_in_ladder"),
        (
            {"kind": "rungs_off", "rungs": ["model", "related", "popular_in_category", "popular"]},
            "static",
            "not_in_ladder",
        ),
    ],
    ids=lambda value: str(value) if isinstance(value, str) else "",
)
async def test_each_fault_leaves_a_full_shelf_that_says_so(world, fault, source, reason):
    # Promise: whatever is played, the list is full; the answer names the drill, and afterwards all is as before.
    drill = await start(world, **fault)
    hit = await world.ask(user_id="ann")
    assert (hit.source, hit.reason, hit.drill_id, len(hit.items)) == (source, reason, drill.drill_id, 10)
    assert hit.degraded is (fault["kind"] != "rungs_off")
    report = await stop(world, drill)
    assert (report.end, report.hit.answers, report.hit.by_source) == ("stopped", 1, {source: 1})
    spared = await world.ask(user_id="ann")
    assert (spared.source, spared.drill_id) == ("model", None)


async def test_a_delay_past_the_deadline_is_answered_in_time(world):
    # Promise: inference asked too late costs the model's part, never the answer's deadline by more than a little.
    await start(world, kind="inference_delayed", delay_ms=4_000)
    answer = await world.ask(user_id="ann")
    assert (answer.reason, answer.degraded, len(answer.items)) == ("deadline_exceeded", True, 10)
    assert answer.elapsed_ms < 4_000


async def test_the_blast_radius_is_a_share_of_the_users(world):
    # Promise: about the share that was asked for is hit, the same users every time; other placements are spared.
    await start(world, kind="inference_off", share=0.3, placement="home")
    users = [f"user-{number}" for number in range(120)]
    first, second = [{user for user in users if (await world.ask(user_id=user)).drill_id} for _ in range(2)]
    assert first == second
    assert 15 <= len(first) <= 60
    assert (await world.ask(user_id=min(first), placement="cart")).drill_id is None
    [drill] = (await drills(world)).active
    assert drill.hit.answers == 2 * len(first)
    assert drill.spared.answers == 2 * (len(users) - len(first))


async def test_a_drill_ends_by_itself(world):
    # Promise: after its time a drill is over, without anybody stopping it.
    await start(world, kind="inference_off", duration_s=1)

    async def over():
        return not (await drills(world)).active

    await eventually(over)
    assert (await drills(world)).reports[0].end == "expired"
    assert (await world.ask(user_id="ann")).drill_id is None


async def test_the_guard_ends_a_drill_that_hurts(world):
    # Promise: when too few answers are valid and in time, the drill ends before its time.
    await start(world, kind="inference_off", valid_share_min=1.0)
    running = next(iter(world.parts.drills.active.values()))
    running.hit.answers = 1_000  # as if nearly all before had been late
    await world.ask(user_id="ann")
    assert (await drills(world)).reports[0].end == "guard"


async def test_reports_survive_a_restart_and_the_deed_is_audited(world):
    # Promise: what a drill did is kept on disk, and who played it stands in the audit log.
    drill = await start(world, kind="inference_off", reason="rehearsal")
    await world.ask(user_id="ann")
    report = await stop(world, drill)
    assert report.audited
    await world.parts.drills._writing
    async with serving(world.settings) as (parts, _):
        assert list(parts.drills.reports) == [report]
        assert parts.drills.active == {}
    assert [entry.action for entry in await list_audit(world.pool, subject="inference_off")] == [
        "drill.stop",
        "drill.start",
    ]


async def test_drills_are_few_and_sound(world):
    # Promise: nobody can play more than four at a time, take the last rung away, or hit a placement that is not there.
    for _ in range(4):
        await start(world, kind="inference_off")
    refused = await world.client.post("/v1/admin/drills", json={"kind": "inference_off"})
    assert refused.json()["type"] == "/problems/conflict"
    for wrong in (
        {"kind": "rungs_off", "rungs": ["static"]},
        {"kind": "rungs_off"},
        {"kind": "inference_delayed"},
        {"kind": "inference_off", "delay_ms": 5},
        {"kind": "inference_off", "share": 0},
        {"kind": "inference_off", "duration_s": 86_400},
    ):
        answer = await world.client.post("/v1/admin/drills", json=wrong)
        assert answer.status_code == 422, wrong
    unknown = await world.client.post("/v1/admin/drills", json={"kind": "inference_off", "placement": "attic"})
    assert unknown.json()["type"] == "/problems/unknown-placement"
    assert (await world.client.post("/v1/admin/drills/none/stop")).status_code == 404


class Trial:
    """A rollout that counts the answers it is told of."""

    answers = 0

    def model_for(self, _):
        return None

    def holds_out(self, _):
        return False

    def saw(self, *_):
        self.answers += 1


async def test_previews_replays_and_rehearsals_are_not_touched_by_drills_nor_counted_in_trials(world):
    # Promise: an operator sees what would be answered without the drill; a trial is judged by callers' answers alone.
    answered = valid(await world.client.get("/v1/recommendations?user_id=ann"))
    drill = await start(world, kind="inference_off")
    again = await world.client.post(f"/v1/admin/decisions/{answered.recommendation_id}/replay")
    assert (again.json()["now"]["decision"]["source"], again.json()["now"]["decision"]["drill_id"]) == ("model", None)
    assert (await stop(world, drill)).hit.answers == 0
    parts = replace(world.parts, rollout=Trial())
    home, asked = parts.mirror.placements["home"], RecommendationRequest(placement="home", user_id="ann")
    await Rehearsals(parts).rehearse(Source.MODEL)
    decided, _ = await considered(parts, asked, home, 2_000)
    assert (decided.composed.source, parts.rollout.answers) == (Source.MODEL, 0)
    live = replace(decided.ask, live=True, began_s=parts.outside.clock.monotonic_s())
    await decide(parts, live)
    assert parts.rollout.answers == 1
