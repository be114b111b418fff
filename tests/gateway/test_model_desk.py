"""What an operator does to the registry: given up in time it is not done at all, and what was done is on record."""

import asyncio
from functools import partial
from threading import Event

import pytest

from evershelf.contracts.admin_operation import Promotion
from evershelf.gateway.model_desk import Caller, RegistryUnavailable
from evershelf.gateway.problems import ProblemError
from evershelf.gateway.routes.admin_models import carried_out, gone_back, promoted
from evershelf.registry.store import DirectoryRegistry, promote
from evershelf.storage.audit import list_audit
from tests.gateway.gateway_world import eventually, open_world
from tests.inference.fake_model import model_folder, publish_champion

SOON_S = 0.1
MOVE = {"moved_by": "test", "reason": "test"}
PROMOTE = partial(promoted, version="m2", promotion=Promotion(reason="test", expected_sequence=1), moved_by="test")


class Slow(DirectoryRegistry):
    """A registry on a disk that takes its time over one kind of work, until it is told to go on."""

    slow_at, previous_is_lost = "", False

    def __init__(self, root):
        super().__init__(root)
        self.met, self.goes_on = Event(), Event()

    def _take_time(self, what):
        if what == self.slow_at:
            self.met.set()
            assert self.goes_on.wait(20)

    def check(self, kind, version):
        self._take_time("check")
        super().check(kind, version)

    def move_alias(self, kind, name, version, **given):
        self._take_time("move")
        return super().move_alias(kind, name, version, **given)

    def read_alias(self, kind, name):
        if self.previous_is_lost and name == "previous":
            raise OSError("no disk")
        return super().read_alias(kind, name)


@pytest.fixture
async def world(postgres, tmp_path):
    registry = publish_champion(tmp_path / "registry", "m1")
    registry.publish("models", model_folder(tmp_path / "made-m2", "m2"), tmp_path / "made-m2")
    async with open_world(postgres.url, tmp_path, gateway_rollout_poll_s=10) as world:
        world.parts.models._registry = Slow(tmp_path / "registry")
        yield world


def slow(world) -> Slow:
    return world.parts.models._registry


def champion(world):
    return slow(world).read_alias("models", "champion").version


async def settled(world):
    """Everything that waited for the registry has been answered, asked or not."""
    await world.parts.models.ask(lambda _: None, timeout_s=20)


async def deeds(world):
    return [(entry.action, entry.subject) for entry in await list_audit(world.pool) if entry.actor == "admin"]


async def refused(world, move):
    with pytest.raises(ProblemError, match="no answer within"):
        await carried_out(world.parts, "admin", "model.promote", move, timeout_s=SOON_S)


async def test_a_deed_whose_turn_came_too_late_is_never_done(world):
    # Promise: what was reported as failed before it began does not begin; nor does what whoever asked has left.
    hanging = Event()
    first = asyncio.create_task(world.parts.models.ask(lambda _: hanging.wait(20), timeout_s=20))
    await asyncio.sleep(0)
    await refused(world, PROMOTE)
    left = asyncio.create_task(carried_out(world.parts, "admin", "model.promote", PROMOTE, timeout_s=20))
    await asyncio.sleep(0)
    left.cancel()
    await asyncio.wait({left})
    hanging.set()
    await first
    await settled(world)
    assert (champion(world), await deeds(world)) == ("m1", [])


@pytest.mark.parametrize("way", ["promote", "back"])
async def test_a_deed_that_is_given_up_while_bytes_are_read_moves_nothing(world, way):
    # Promise: after a slow check the champion moves only where whoever asked still waits.
    move, stays = PROMOTE, "m1"
    if way == "back":
        promote(slow(world), "m2", **MOVE)
        move, stays = partial(gone_back, **MOVE), "m2"
    slow(world).slow_at = "check"
    await refused(world, move)
    slow(world).goes_on.set()
    await settled(world)
    assert (champion(world), await deeds(world)) == (stays, [])


async def test_a_move_that_ends_too_late_for_the_answer_is_audited(world):
    # Promise: an alias that moved in the moment in which time ran out is on record like any other.
    slow(world).slow_at = "move"
    await refused(world, PROMOTE)
    assert (slow(world).met.is_set(), await deeds(world)) == (True, [])
    slow(world).goes_on.set()

    async def told() -> bool:
        return await deeds(world) == [("model.promote", "m2")]

    await eventually(told)
    assert champion(world) == "m2"


async def test_a_move_is_told_though_the_one_before_cannot_be_read(world):
    # Promise: a champion that was promoted is audited and reported as such, whatever fails afterwards.
    slow(world).previous_is_lost = True
    body = {"reason": "test", "expected_sequence": 2}
    answer = await world.client.post("/v1/admin/models/m1/promote", json=body)
    assert answer.status_code == 409
    answer = await world.client.post("/v1/admin/models/m1/promote", json=body | {"expected_sequence": 1})
    assert (answer.status_code, answer.json()["previous"], answer.json()["audited"]) == (200, None, True)
    assert "before" in answer.json()["note"]
    assert await deeds(world) == [("model.promote", "m1")]


async def test_a_trial_is_begun_and_ended_by_those_who_still_wait(world):
    # Promise: the same holds for a canary; what is done is audited.
    begin = {"version": "m2", "reason": "test", "shadow_share": 1.0, "stages": []}
    slow(world).slow_at = "move"
    asking = asyncio.create_task(world.client.post("/v1/admin/canary", json=begin))
    await eventually(lambda: asyncio.to_thread(slow(world).met.is_set))
    asking.cancel()
    await asyncio.wait({asking})
    slow(world).goes_on.set()

    async def told() -> bool:
        return ("canary.start", "m2") in await deeds(world)

    await eventually(told)
    assert (await world.client.post("/v1/admin/canary/stop", json={"reason": "test"})).status_code == 200
    assert await deeds(world) == [("canary.stop", "m1"), ("canary.start", "m2")]


def test_a_caller_who_is_gone_lets_nothing_pass():
    caller = Caller()
    caller.check()
    caller.gone = True
    with pytest.raises(RegistryUnavailable):
        caller.check()
