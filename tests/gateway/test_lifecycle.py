"""The life of a model with a real model server: rolled back under load, nothing lost; a bad challenger withdrawn."""

import asyncio
import time

import pytest

from evershelf.registry.store import DirectoryRegistry, promote, roll_back
from tests.gateway.gateway_world import eventually, open_world, valid
from tests.inference.fake_model import model_folder
from tests.inference.test_process import Process

IDS = tuple(f"mugs-{number}" for number in range(4))
MOVE = {"moved_by": "test", "reason": "test"}
CALLERS = 4
PATIENT = {"X-Request-Deadline-Ms": "2000"}


class Life:
    """A gateway over HTTP, inference as a process, and one registry for both."""

    def __init__(self, world, folder):
        self.world, self.folder = world, folder
        self.registry = DirectoryRegistry(folder / "registry")
        self.answers = []

    def publish(self, version, **spoilt):
        made = self.folder / f"made-{version}"
        self.registry.publish("models", model_folder(made, version, **{"ids": IDS, **spoilt}), made)

    async def ask(self, user):
        body = {"user_id": user, "context_items": ["mugs-0"], "k": 5}
        answer = valid(await self.world.client.post("/v1/recommendations", json=body, headers=PATIENT))
        self.answers.append(answer)
        return answer

    async def serves(self, version):
        await eventually(lambda: self._is_served(version))

    async def _is_served(self, version):
        return (await self.ask("ann")).model_version == version

    async def answered(self, count):
        return len(self.answers) >= count

    async def status(self):
        return (await self.world.client.get("/v1/admin/canary")).json()


@pytest.fixture
async def life(postgres, tmp_path):
    first = Life(None, tmp_path)
    for version in ("m1", "m2"):
        first.publish(version)
        promote(first.registry, version, **MOVE)
    process = await asyncio.to_thread(Process, tmp_path / "registry")
    try:
        address = f"http://127.0.0.1:{process.port}"
        async with open_world(postgres.url, tmp_path, inference_url=address, gateway_rollout_poll_s=0.1) as world:
            yield Life(world, tmp_path)
    finally:
        process.close()


async def test_a_rollback_under_load_is_quick_and_loses_no_request(life):
    # Promise (G22): every request is answered with a full list; the previous version serves soon after the alias moved.
    await life.serves("m2")
    going = True

    async def call(user):
        while going:
            assert len((await life.ask(user)).items) == 5

    callers = [asyncio.create_task(call(f"caller-{number}")) for number in range(CALLERS)]
    await asyncio.sleep(0.5)
    began_s = time.monotonic()
    roll_back(life.registry, **MOVE)
    await life.serves("m1")
    back_s = time.monotonic() - began_s
    await eventually(lambda: life.answered(200))
    print(f"rolled back in {back_s:.2f} s, {len(life.answers)} answers, none lost")
    going = False
    await asyncio.gather(*callers)
    assert {answer.model_version for answer in life.answers} <= {"m1", "m2", None}


async def test_a_challenger_whose_items_are_gone_is_withdrawn_by_itself(life):
    # Promise (G21): shadowed, judged and withdrawn before it answers more than a twentieth of the requests.
    await life.serves("m2")
    life.publish("m3", ids=("mugs-0", "gone-1", "gone-2", "gone-3"))
    begin = {"version": "m3", "shadow_share": 1.0, "reason": "a try", "stages": [{"share": 0.01, "seconds": 3600}]}
    started = (await life.world.client.post("/v1/admin/canary", json=begin)).json()
    assert (started["state"], started["challenger"], started["share"]) == ("canary", "m3", 0.01)
    life.answers.clear()

    async def withdrawn():
        for number in range(20):
            await life.ask(f"user-{number}")
        return (await life.status())["state"] == "idle"

    async def told_everywhere():
        return life.registry.read_alias("models", "challenger").version == "m2"

    await eventually(withdrawn)
    assert "guardrail empty" in (await life.status())["last_end"]
    await eventually(told_everywhere)
    exposed = sum(answer.model_version == "m3" for answer in life.answers)
    assert exposed <= len(life.answers) * 0.05

    async def audited():  # after the alias has moved
        page = (await life.world.client.get("/v1/admin/audit")).json()
        return {"canary.start", "canary.withdraw"} <= {row["action"] for row in page["entries"]}

    await eventually(audited)
