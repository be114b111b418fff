"""A challenger on trial: shadowed off the answer's path, served by stages, gone as soon as a guardrail breaks."""

import asyncio
import errno
import time
from functools import partial

import pytest
from pydantic import SecretStr

from evershelf.contracts.events import EventType
from evershelf.contracts.inference import RankedItem, Ranking
from evershelf.contracts.manifest import RolloutPlan, RolloutStage
from evershelf.contracts.recommendations import Reason
from evershelf.gateway.database import DatabaseLink
from evershelf.gateway.model_desk import ModelDesk
from evershelf.gateway.outside import Clock, Outside
from evershelf.gateway.rollout import SHADOWS_MAX, Rollout
from evershelf.gateway.settings import GatewaySettings
from evershelf.gateway.telemetry import Telemetry
from evershelf.policy.compose import ModelReply
from evershelf.policy.rollout import ANSWERS_MIN
from evershelf.registry.store import DirectoryRegistry, challenge, withdraw
from tests.gateway.test_inference_client import ask
from tests.gateway.test_inference_client import asking as inference_client
from tests.inference.fake_model import model_folder, publish_champion

MOVE = {"moved_by": "test", "reason": "test"}
STAGES = tuple(RolloutStage(share=share, seconds=60) for share in (0.01, 0.05, 0.25, 1.0))
USERS = [f"user-{number}" for number in range(2_000)]


class Shelf:
    """A catalog in which every item is known but those that are gone."""

    def knows(self, item_id):
        return not item_id.startswith("gone")


def reply(version="m1", *, items="abcdefghij", outcome=Reason.PERSONALIZED, elapsed_ms=2.0):
    if outcome is not Reason.PERSONALIZED:
        return ModelReply(outcome, elapsed_ms)
    ranked = tuple(
        RankedItem(item_id=item_id, score=1.0 / place, evidence=()) for place, item_id in enumerate(items, start=1)
    )
    return ModelReply(outcome, elapsed_ms, Ranking(items=ranked, confidence=1.0, confident=True), version)


class World:
    """A rollout on a real registry with champion m1, a clock of its own, and models that answer as they are told."""

    def __init__(self, tmp_path):
        self.registry = publish_champion(tmp_path / "registry", "m1")
        self.registry.publish("models", model_folder(tmp_path / "made-m2", "m2"), tmp_path / "made-m2")
        self.passed_s = 0.0
        clock = Clock(lambda: time.monotonic() + self.passed_s, lambda: time.time() + self.passed_s)
        outside = Outside(clock=clock)
        settings = GatewaySettings(
            key_secret=SecretStr("00" * 32), registry=tmp_path / "registry", gateway_data_dir=tmp_path / "gateway"
        )
        telemetry = Telemetry()
        self.desk = ModelDesk(settings)
        database = DatabaseLink(None, settings, telemetry)
        self.rollout = Rollout(settings, self.desk, database, telemetry, outside=outside)
        self.answers = {None: reply, "m2": lambda: reply("m2")}
        self.asked = []

    async def asking(self, *, remaining_ms, model, spare=False):
        assert remaining_ms > 0
        assert not spare or model == "m2"
        self.asked.append(model)
        return self.answers[model]()

    async def begin(self, **plan):
        challenge(self.registry, "m2", RolloutPlan(**plan), **MOVE)
        await self.rollout.look()

    async def serve(self, users=USERS):
        """Every user once; returns who was sent to the challenger."""
        sent = set()
        for user in users:
            model = self.rollout.model_for(user)
            if model:
                sent.add(user)
            self.rollout.saw(await self.asking(remaining_ms=50, model=model), Shelf(), model, self.asking)
            await asyncio.sleep(0)
        await asyncio.gather(*self.rollout._copies)
        return sent

    def challenger(self):
        return self.registry.read_alias("models", "challenger")


@pytest.fixture
async def world(tmp_path):
    world = World(tmp_path)
    yield world
    await world.rollout.close()
    await world.desk.close()


async def test_a_shadow_gets_copies_and_no_user(world):
    await world.begin(shadow_share=0.5)
    assert await world.serve() == set()
    found = world.rollout.evidence
    assert 800 < found.compared == found.challenger.calls < 1_200
    assert found.mean_overlap == 1.0
    assert found.champion.calls == len(USERS)


async def test_copies_are_bounded_and_an_answer_waits_for_none(world):
    # Promise: a challenger that hangs keeps SHADOWS_MAX tasks, and nobody else.
    hanging = asyncio.Event()

    async def asking(*, remaining_ms, model, spare):  # noqa: ARG001 - the signature of asking
        await hanging.wait()
        return reply("m2")

    await world.begin(shadow_share=1.0)
    for _ in range(100):
        world.rollout.saw(reply(), Shelf(), None, asking)
    assert len(world.rollout._copies) == SHADOWS_MAX
    hanging.set()


async def test_a_hanging_challenger_in_shadow_costs_users_nothing(world):
    # Promise: breaker, limit and answers are the champion's alone, and the challenger is found out.
    await world.begin(shadow_share=1.0)
    async with inference_client() as (client, (hop,)):
        before = client.health()[0]
        asking = partial(
            client.rank,
            [("a", EventType.VIEW_ITEM, 1.0)],
            k=3,
            exclude=(),
            evidence=True,
            answered=Reason.PERSONALIZED,
        )
        while world.rollout.evidence.challenger.calls < ANSWERS_MIN:
            answering = asyncio.create_task(asking(remaining_ms=20_000.0, model=None))
            while not answering.done():
                await asyncio.sleep(0.002)
                for call in hop.calls:
                    if "X-Evershelf-Model" not in call.headers and not call.future.done():
                        call.answer()
            assert (await answering).outcome is Reason.PERSONALIZED
            world.rollout.saw(await answering, Shelf(), None, asking)
        after = client.health()[0]
        await world.rollout.look()
    assert (after.circuit, after.limit, after.state) == ("closed", before.limit, "up")
    assert "guardrail time_outs" in world.rollout.last_end


@pytest.mark.parametrize("status", [429, 503])
async def test_a_busy_inference_takes_no_challenger_away(world, status):
    # Promise: what inference is too busy to answer says nothing about whose model it was asked for.
    await world.begin(stages=STAGES)
    async with inference_client() as (client, (hop,)):
        for _ in range(ANSWERS_MIN):
            task = ask(client, "a", model="m2")
            await asyncio.sleep(0)
            hop.calls[-1].answer(status=status)
            world.rollout.saw(await task, Shelf(), "m2", world.asking)
    await world.rollout.look()
    assert world.rollout.evidence.challenger.calls == 0
    assert world.rollout.trial is not None


async def test_a_canary_grows_by_schedule_keeps_its_users_and_becomes_champion(world):
    await world.begin(stages=STAGES, shadow_share=0.1)
    before, shares = set(), []
    for _ in STAGES:
        await world.rollout.look()
        sent = await world.serve()
        assert before <= sent
        before = sent
        shares.append(len(sent) / len(USERS))
        world.passed_s += 60
    assert shares == pytest.approx([0.01, 0.05, 0.25, 1.0], abs=0.02)
    await world.rollout.look()
    assert world.registry.read_alias("models", "champion").version == "m2"
    assert "kept every guardrail" in world.registry.read_alias("models", "champion").reason
    assert await world.serve() == set()


async def test_time_alone_does_not_widen_a_canary(world):
    # Promise: without evidence it stays in its first stage, however long it lasts.
    await world.begin(stages=STAGES, shadow_share=0.0)
    world.passed_s = 10_000
    await world.rollout.look()
    assert world.rollout.share == 0.01


BAD = {
    "empty": lambda: reply("m2", items=["gone-1", "gone-2"]),
    "time_outs": lambda: reply(outcome=Reason.DEADLINE_EXCEEDED, elapsed_ms=50.0),
    "invalid": lambda: reply(outcome=Reason.INFERENCE_INVALID),
    "latency": lambda: reply("m2", elapsed_ms=40.0),
    "overlap": lambda: reply("m2", items="klmnopqrst"),
}


@pytest.mark.parametrize("guardrail", BAD)
async def test_a_broken_guardrail_takes_the_challenger_away(world, guardrail):
    # Promise (G21): at most one look (1 s) after enough was seen, with less than 5 % of the answers exposed.
    await world.begin(stages=STAGES, shadow_share=0.3)
    world.answers["m2"] = BAD[guardrail]
    exposed = await world.serve(USERS[:500])
    await world.rollout.look()
    assert len(exposed) <= 0.05 * 500
    assert world.rollout.trial is None
    assert await world.serve() == set()
    assert world.challenger().version == "m1"
    assert f"guardrail {guardrail}" in world.challenger().reason
    assert world.registry.read_alias("models", "champion").version == "m1"


async def passes(world, seconds, challengers, *, a_second=200):
    """So many seconds in which both arms answer and gateways look now and then; those that passed in the trial."""
    step = 1 if seconds <= 30 else 10
    for second in range(0, seconds, step):
        for _ in range(a_second):
            world.rollout.saw(reply(), Shelf(), None, world.asking)
            world.rollout.saw(challengers(), Shelf(), "m2", world.asking)
        await asyncio.gather(*world.rollout._copies)
        world.passed_s += step
        await world.rollout.look()
        if world.rollout.trial is None:
            return second + step
    return seconds


@pytest.mark.parametrize("guardrail", BAD)
async def test_a_challenger_that_turns_bad_late_is_found_out_as_quickly(world, guardrail):
    # Promise (G21): within 30 s at a few answers a second, however much good evidence there was before it.
    copied = guardrail == "overlap"  # which only copies tell
    await world.begin(stages=(RolloutStage(share=0.05, seconds=9_000),), shadow_share=float(copied))
    world.answers["m2"] = lambda: reply("m2")
    assert await passes(world, 500, world.answers["m2"]) == 500
    world.answers["m2"] = BAD[guardrail]
    challengers = (lambda: reply("m2")) if copied else BAD[guardrail]
    assert await passes(world, 30, challengers, a_second=4 + 4 * copied) < 30
    assert f"guardrail {guardrail}" in world.rollout.last_end
    assert world.rollout.evidence.challenger.calls >= 10_000  # the console and the audit log tell of the whole trial


class ReadOnly(DirectoryRegistry):
    """A registry on a disk that takes no writes."""

    def move_alias(self, *_, **__):
        raise OSError(errno.EROFS, "read-only file system")


async def test_a_registry_that_takes_no_writes_keeps_nobody_with_a_bad_challenger(world, tmp_path):
    # Promise: this gateway stops at once; the rest are told as soon as that is possible.
    await world.begin(stages=STAGES, shadow_share=0.3)
    world.answers["m2"] = BAD["invalid"]
    await world.serve(USERS[:500])
    writable, world.desk._registry = world.desk._registry, ReadOnly(tmp_path / "registry")
    for _ in range(2):
        await world.rollout.look_now()
        assert await world.serve(USERS[:100]) == set()
        assert (world.rollout.share, world.challenger().version) == (0.0, "m2")
    world.desk._registry = writable
    await world.rollout.look_now()
    assert world.challenger().version == "m1"


class Gone(DirectoryRegistry):
    """A registry that cannot even be read."""

    def read_alias(self, *_):
        raise OSError(errno.EIO, "input/output error")


async def test_a_guardrail_is_judged_though_the_registry_is_gone(world, tmp_path):
    # Promise (G21): an outage of the registry leaves nobody with a challenger that broke a guardrail.
    await world.begin(stages=STAGES, shadow_share=0.3)
    world.answers["m2"] = BAD["invalid"]
    await world.serve(USERS[:500])
    world.desk._registry = Gone(tmp_path / "registry")
    await world.rollout.look_now()
    assert (world.rollout.trial, world.rollout.share) == (None, 0.0)


class Overtaken(DirectoryRegistry):
    """An operator withdraws the challenger in the moment after it was looked at."""

    withdrawn = False

    def read_alias(self, kind, name):
        found = super().read_alias(kind, name)
        if name == "challenger" and not self.withdrawn:
            self.withdrawn = True
            withdraw(DirectoryRegistry(self._root), "m2", moved_by="operator", reason="enough")
        return found


async def test_a_challenger_withdrawn_meanwhile_does_not_become_champion(world, tmp_path):
    # Promise: what an operator ended stays ended, also when the canary's last stage was just over.
    await world.begin(stages=STAGES, shadow_share=0.1)
    for _ in STAGES:
        await world.rollout.look()
        await world.serve()
        world.passed_s += 60
    world.desk._registry = Overtaken(tmp_path / "registry")
    await world.rollout.look_now()
    assert world.registry.read_alias("models", "champion").version == "m1"


async def test_an_operator_ends_a_trial_for_every_gateway(world):
    await world.begin(stages=STAGES)
    withdraw(world.registry, "m2", moved_by="operator", reason="enough")
    await world.rollout.look()
    assert (world.rollout.trial, world.rollout.share) == (None, 0.0)


async def test_the_champion_in_the_challengers_place_is_no_evidence(world):
    # Promise: as long as inference has not loaded it, nothing is said about the challenger.
    await world.begin(stages=STAGES, shadow_share=1.0)
    world.answers["m2"] = lambda: reply("m1")
    await world.serve(USERS[:200])
    assert world.rollout.evidence.challenger.calls == 0
    assert world.rollout.absent > 100


def test_the_holdout_is_a_standing_share_of_the_users(tmp_path):
    world = World(tmp_path)
    held = [user for user in USERS if world.rollout.holds_out(user)]
    assert 5 < len(held) < 40
    assert not world.rollout.holds_out(None)
    assert held == [user for user in USERS if world.rollout.holds_out(user)]
