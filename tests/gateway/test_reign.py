"""A champion promoted directly is watched in its first minutes, and rolled back by itself if it breaks a guardrail."""

import pytest

from evershelf.contracts.recommendations import Reason
from evershelf.policy.compose import ModelReply
from evershelf.policy.rollout import ANSWERS_MIN
from evershelf.registry.aliases import AliasConflict
from evershelf.registry.artifact import ArtifactRefused, Refusal
from evershelf.registry.store import DirectoryRegistry, promote, roll_back
from tests.gateway.test_rollout import BAD, MOVE, Shelf, World, reply
from tests.inference.fake_model import model_folder

CALLS = 3 * ANSWERS_MIN


@pytest.fixture
async def world(tmp_path):
    world = World(tmp_path)
    world.registry.publish("models", model_folder(tmp_path / "made-m3", "m3"), tmp_path / "made-m3")
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


@pytest.mark.parametrize("trouble", [name for name in BAD if name != "overlap"])
async def test_a_champion_that_turns_bad_late_is_rolled_back_as_quickly(world, trouble):
    # Promise (G21): within 30 s at a few answers a second, though it served well for minutes before.
    await promoted(world)
    for _ in range(12):
        await served(world, lambda: reply("m2"), count=1_000)
        world.passed_s += 30
    assert champion(world).version == "m2"
    for _ in range(29):
        await served(world, BAD[trouble], count=8)
        world.passed_s += 1
    assert champion(world).version == "m1"
    assert f"guardrail {trouble}" in world.rollout.last_end


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


async def test_an_outage_blames_nobody_whatever_came_before_it(world):
    # Promise: only failures of its own, right before the circuit opened, are held against a champion.
    await promoted(world)
    await served(world, lambda: reply(outcome=Reason.DEADLINE_EXCEEDED), count=1)
    for outcome in (Reason.PERSONALIZED, Reason.INFERENCE_UNAVAILABLE):
        await served(world, lambda outcome=outcome: reply("m2", outcome=outcome), count=5)
        await served(world, lambda: reply(outcome=Reason.CIRCUIT_OPEN))
        assert champion(world).version == "m2"


async def test_a_busy_inference_is_not_held_against_a_champion(world):
    # Promise: 429 and 503 say nothing about a model, and do not hide that its failures opened the circuit.
    await promoted(world)
    await served(world, lambda: ModelReply(Reason.INFERENCE_ERROR, 1.0, busy=True))
    assert champion(world).version == "m2"
    for outcome in (Reason.DEADLINE_EXCEEDED, Reason.OVERLOADED):
        await served(world, lambda outcome=outcome: reply(outcome=outcome), count=5)
    await served(world, lambda: ModelReply(Reason.INFERENCE_ERROR, 1.0, busy=True), count=5)
    await served(world, lambda: reply(outcome=Reason.CIRCUIT_OPEN))
    assert champion(world).version == "m1"


@pytest.mark.parametrize("moved_by", ["refresh", "operator"])
async def test_the_champion_that_comes_back_is_one_that_was_found_fit(world, moved_by):
    # Promise: a bad champion that is replaced before its verdict does not return as the one before.
    await promoted(world)
    await served(world, BAD["empty"], count=ANSWERS_MIN - 1)
    promote(world.registry, "m3", moved_by=moved_by, reason="test")
    await world.rollout.look()
    await served(world, lambda: reply("m3", items=["gone-1"]))
    assert champion(world).version == "m1"


async def test_a_champion_that_served_well_is_gone_back_to(world):
    # Promise: enough good answers settle a champion before its time is over, so that renewals do not grow old.
    await promoted(world)
    await served(world, lambda: reply("m2"))
    promote(world.registry, "m3", moved_by="refresh", reason="test")
    await world.rollout.look()
    await served(world, lambda: reply("m3", items=["gone-1"]))
    assert champion(world).version == "m2"


async def test_frequent_renewals_on_a_quiet_gateway_are_judged_together(world):
    # Promise: what was seen of a champion counts for its renewal, so that a verdict comes at all.
    await promoted(world)
    await served(world, BAD["empty"], count=ANSWERS_MIN // 2)
    promote(world.registry, "m3", moved_by="refresh", reason="test")
    await world.rollout.look()
    await served(world, lambda: reply("m3", items=["gone-1"]), count=ANSWERS_MIN // 2)
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

    def check(self, kind, version):
        promote(DirectoryRegistry(self._root), "m2", moved_by="operator", reason="I mean it")
        super().check(kind, version)


async def test_nobody_is_overruled_who_moved_the_champion_meanwhile(world, tmp_path):
    await promoted(world)
    world.desk._registry = Overtaken(tmp_path / "registry")
    for _ in range(2):
        await served(world, BAD["empty"])
        assert (champion(world).version, champion(world).moved_by) == ("m2", "operator")
    assert world.rollout.last_end is None  # nothing was rolled back, and nothing else is said


class Failing(DirectoryRegistry):
    """A registry that can tell where its aliases point, and fails at everything else."""

    failure: Exception

    def check(self, *_):
        raise self.failure


@pytest.mark.parametrize(
    "failure",
    [ArtifactRefused(Refusal.MISSING, "unreachable"), AliasConflict("the aliases were locked"), OSError("no disk")],
    ids=lambda failure: type(failure).__name__,
)
async def test_a_roll_back_that_fails_is_tried_again(world, tmp_path, failure):
    # Promise: a verdict stays until it is carried out, whatever the registry says meanwhile; then it is told, once.
    await promoted(world)
    sound, world.desk._registry = world.desk._registry, Failing(tmp_path / "registry")
    world.desk._registry.failure = failure
    await served(world, BAD["empty"])
    assert (champion(world).version, world.rollout.last_end) == ("m2", None)
    await served(world, BAD["empty"])  # does not become what m1 usually does
    world.desk._registry = sound
    undone = await world.rollout._reign.look(champion(world))
    assert (undone.champion.version, undone.former, undone.calls) == ("m2", "m1", CALLS)
    assert champion(world).version == "m1"
    assert await world.rollout._reign.look(champion(world)) is None
