"""A champion promoted directly is watched in its first minutes, and rolled back by itself if it breaks a guardrail."""

import pytest

from evershelf.contracts.recommendations import Reason
from evershelf.policy.rollout import ANSWERS_MIN
from evershelf.registry.store import DirectoryRegistry, promote, roll_back
from tests.gateway.test_rollout import BAD, MOVE, Shelf, World, reply

CALLS = 3 * ANSWERS_MIN


@pytest.fixture
async def world(tmp_path):
    world = World(tmp_path)
    yield world
    await world.rollout.close()
    await world.desk.close()


def champion(world):
    return world.registry.read_alias("models", "champion")


async def served(world, answer, count=CALLS):
    """So many answers of the champion, then one look."""
    for _ in range(count):
        world.rollout.saw(answer(), Shelf(), None, world.asking)
    await world.rollout.look()


async def promoted(world):
    """m1 has served well for a while; then somebody makes m2 champion past every check."""
    world.passed_s += 10_000
    await world.rollout.look()
    await served(world, reply)
    world.passed_s -= 10_000
    promote(world.registry, "m2", **MOVE)
    await world.rollout.look()


@pytest.mark.parametrize("trouble", [name for name in BAD if name != "overlap"])
async def test_a_bad_champion_is_rolled_back_by_itself(world, trouble):
    # Promise (G21): invalid, empty, late or slow answers of a fresh champion bring the one before it back.
    await promoted(world)
    await served(world, BAD[trouble])
    assert champion(world).version == "m1"
    assert f"guardrail {trouble}" in champion(world).reason == world.rollout.last_end
    await served(world, reply)
    assert champion(world).version == "m1"


async def test_a_good_champion_stays_and_becomes_the_measure(world):
    await promoted(world)
    for _ in range(5):
        await served(world, lambda: reply("m2"))
    world.passed_s += 1_000
    await world.rollout.look()
    await served(world, BAD["empty"])  # long after: no promotion is to blame
    assert champion(world).version == "m2"


async def test_what_the_former_champion_still_answers_is_not_held_against_the_new_one(world):
    # Promise: until inference has changed over, answers count for the version that gave them.
    await promoted(world)
    await served(world, lambda: reply("m1", items=["gone-1"]))
    assert champion(world).version == "m2"


async def test_an_open_circuit_counts_once_the_model_itself_has_failed(world):
    # Promise: five late answers open the circuit, and the model is found out all the same; an outage blames nobody.
    await promoted(world)
    await served(world, lambda: reply(outcome=Reason.CIRCUIT_OPEN))
    await served(world, lambda: reply(outcome=Reason.INFERENCE_UNAVAILABLE))
    assert champion(world).version == "m2"
    await served(world, lambda: reply(outcome=Reason.DEADLINE_EXCEEDED), count=5)
    await served(world, lambda: reply(outcome=Reason.CIRCUIT_OPEN))
    assert champion(world).version == "m1"


async def test_an_operators_roll_back_is_not_rolled_back(world):
    # Promise: a version that reigned before is known; it is not judged anew, so that no two versions swap for ever.
    await promoted(world)
    roll_back(world.registry, **MOVE)
    await world.rollout.look()
    await served(world, BAD["empty"])
    assert champion(world).version == "m1"


class Overtaken(DirectoryRegistry):
    """An operator promotes m2 once more in the very moment of the roll-back."""

    meant = False

    def read_alias(self, kind, name):
        if name == "previous" and not self.meant:
            self.meant = True
            promote(DirectoryRegistry(self._root), "m2", moved_by="operator", reason="I mean it")
        return super().read_alias(kind, name)


async def test_nobody_is_overruled_who_moved_the_champion_meanwhile(world, tmp_path):
    await promoted(world)
    world.desk._registry = Overtaken(tmp_path / "registry")
    await served(world, BAD["empty"])
    assert (champion(world).version, champion(world).moved_by) == ("m2", "operator")
