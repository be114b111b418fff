"""The model hop's promises: one wait per request, batches without waiting, bounds, fairness between replicas."""

import asyncio
import time
from contextlib import asynccontextmanager

import pytest

from evershelf.contracts.events import EventType
from evershelf.contracts.recommendations import Reason
from evershelf.gateway.hop import HopUnavailable
from evershelf.gateway.inference_client import InferenceClient
from evershelf.gateway.loop_lag import LoopLag
from evershelf.gateway.outside import Outside
from evershelf.gateway.settings import GatewaySettings
from evershelf.gateway.telemetry import Telemetry
from evershelf.policy.breaker import State
from tests.gateway.fake_hop import FakeHop
from tests.gateway.hostile_inference import ranked

LONG_MS = 20_000.0


# What a busy machine does to these tests is no sign of congestion; tests of slowness and queues say how long is long.
PATIENT = {"gateway_inference_queue_ms_max": 10_000.0, "gateway_inference_slow_ms": 10_000.0}


@asynccontextmanager
async def asking(hops: int = 1, **changed):
    """A client of as many fake replicas, and their hops."""
    urls = ",".join(f"http://127.0.0.1:{n + 1}" for n in range(hops))
    settings = GatewaySettings(key_secret="00" * 32, inference_url=urls, **(PATIENT | changed))
    fakes = [FakeHop() for _ in range(hops)]
    left = iter(fakes)
    loop_lag, outside = LoopLag(), Outside()
    client = InferenceClient(settings, Telemetry(), loop_lag=loop_lag, outside=outside, open_hop=lambda *_: next(left))
    await loop_lag.start()
    await client.start()
    try:
        yield client, fakes
    finally:
        await client.close()
        await loop_lag.close()


def ask(client, name: str, remaining_ms: float = LONG_MS, **changed) -> "asyncio.Task":
    wanted = {"k": 3, "exclude": (), "evidence": True, "answered": Reason.PERSONALIZED} | changed
    return asyncio.create_task(client.rank([(name, EventType.VIEW_ITEM, 1.0)], remaining_ms=remaining_ms, **wanted))


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def eventually(holds) -> None:
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110 - what is waited for happens in timers of the code under test
            await asyncio.sleep(0.005)


async def test_a_question_goes_out_at_once_and_what_comes_meanwhile_goes_together():
    # Promise: nobody waits for a batch to fill; each asker gets its own ranking.
    async with asking(gateway_inference_slots=1) as (client, (hop,)):
        tasks = [ask(client, name) for name in "abcd"]
        await turns()
        assert [len(call.questions) for call in hop.calls] == [1]
        hop.calls[0].answer()
        await turns()
        assert [len(call.questions) for call in hop.calls] == [1, 3]
        hop.calls[1].answer()
        replies = await asyncio.gather(*tasks)
        assert [reply.ranking.items[0].item_id for reply in replies] == ["for-a", "for-b", "for-c", "for-d"]
        assert client.in_flight == 0


async def test_each_question_keeps_its_own_deadline_in_a_batch():
    # Promise: a patient neighbour keeps nobody, and the budget of each is told.
    async with asking(gateway_inference_slots=1) as (client, (hop,)):
        first = ask(client, "a")
        await turns()
        hasty, patient = ask(client, "b", 400.0), ask(client, "c")
        await turns()
        hop.calls[0].answer()
        await turns()
        budgets = [int(ms) for ms in hop.calls[1].headers["X-Query-Budgets-Ms"].split(",")]
        assert int(hop.calls[1].headers["X-Request-Deadline-Ms"]) == max(budgets)
        assert min(budgets) <= 400 < max(budgets)
        assert (await hasty).outcome is Reason.DEADLINE_EXCEEDED
        assert not hop.calls[1].future.done()
        assert client.in_flight == 2  # the abandoned one keeps its permit until the call has ended
        hop.calls[1].answer()
        assert (await patient).outcome is Reason.PERSONALIZED
        assert (await first).outcome is Reason.PERSONALIZED
        assert client.in_flight == 0


async def test_a_call_that_nobody_waits_for_is_ended():
    # Promise: the deadline and a caller that hangs up both cancel the call downstream.
    async with asking() as (client, (hop,)):
        late = ask(client, "a", 30.0)
        assert (await late).outcome is Reason.DEADLINE_EXCEEDED
        gone = ask(client, "b")
        await turns()
        gone.cancel()
        await turns()
        assert all(call.future.cancelled() for call in hop.calls)
        assert client.in_flight == 0


async def test_a_bad_ranking_costs_its_own_question_only():
    # Promise: neighbours in a batch are not spoilt by one bad answer.
    async with asking(gateway_inference_slots=1) as (client, (hop,)):
        tasks = [ask(client, name) for name in "abc"]
        await turns()
        hop.calls[0].answer()
        await turns()
        sound = {"items": [], "confidence": 1.0, "confident": True}
        hop.calls[1].answer({"items": "nonsense"}, sound)
        outcomes = [(await task).outcome for task in tasks]
        assert sorted(outcomes) == sorted([Reason.PERSONALIZED, Reason.PERSONALIZED, Reason.INFERENCE_INVALID])


async def test_a_bug_in_the_hop_is_told_at_once_and_costs_the_question_only():
    # Promise: no bug keeps an asker until its deadline.
    async with asking() as (client, (hop,)):
        task = ask(client, "a")
        await turns()
        hop.calls[0].future.set_exception(AssertionError("a bug"))
        assert (await task).outcome is Reason.INTERNAL_ERROR
        assert client.in_flight == 0


async def test_a_bad_question_costs_itself_only():
    # Promise: a batch refused for what is in it is asked again one by one, once.
    async with asking(gateway_inference_slots=1) as (client, (hop,)):
        tasks = {name: ask(client, name) for name in "abc"}
        await turns()
        hop.calls[0].answer()
        await turns()
        hop.calls[1].answer(status=422)
        for number in (2, 3):
            await turns()
            bad = hop.calls[number].questions[0]["history"][0]["item_id"] == "b"
            hop.calls[number].answer(status=422 if bad else 200)
        outcomes = {name: (await task).outcome for name, task in tasks.items()}
        assert outcomes == {"a": Reason.PERSONALIZED, "b": Reason.INFERENCE_ERROR, "c": Reason.PERSONALIZED}
        assert client.circuit is State.CLOSED


async def test_a_slow_call_does_not_keep_the_others_waiting():
    # Promise: it loses its slot, not its permit.
    async with asking(gateway_inference_slots=1) as (client, (hop,)):
        slow = ask(client, "a")
        await turns()
        quick = ask(client, "b")
        await eventually(lambda: len(hop.calls) == 2)
        hop.calls[1].answer()
        assert (await quick).outcome is Reason.PERSONALIZED
        assert client.in_flight == 1
        hop.calls[0].answer()
        await slow


async def test_at_the_limit_the_newest_takes_the_place_of_the_oldest_that_waits():
    # Promise: no queue grows beyond the limit, and who waited longest is told at once.
    bounds = {"gateway_inference_concurrency_min": 3, "gateway_inference_concurrency_max": 3}
    async with asking(gateway_inference_slots=1, **bounds) as (client, (hop,)):
        sent, oldest, newer, newest = (ask(client, name) for name in "abcd")
        assert (await oldest).outcome is Reason.OVERLOADED
        assert client.in_flight == 3
        hop.calls[0].answer()
        await turns()
        assert [question["history"][0]["item_id"] for question in hop.calls[1].questions] == ["d", "c"]
        hop.calls[1].answer()
        assert {(await task).outcome for task in (sent, newer, newest)} == {Reason.PERSONALIZED}


async def test_a_limit_that_is_reached_is_no_sign_that_it_is_too_high():
    # Promise: beyond the limit as many are asked as inference answers well, and the others alone are refused.
    async with asking(gateway_inference_slots=1) as (client, (hop,)):
        before = client.health()[0].limit
        tasks = [ask(client, f"item-{number}") for number in range(int(before) + 20)]
        await turns()
        assert client.in_flight == int(before)
        assert client.health()[0].limit == before
        while not all(task.done() for task in tasks):
            hop.calls[-1].answer()
            await turns()
        told = [(await task).outcome for task in tasks]
        assert told.count(Reason.OVERLOADED) == 20
        assert client.health()[0].limit >= before


async def test_busy_answers_shrink_the_limit_and_leave_the_breaker_alone():
    # Promise: 429 and 503 are the limiter's business.
    async with asking() as (client, (hop,)):
        before = client.health()[0].limit
        for number in range(30):
            task = ask(client, "a")
            await turns()
            hop.calls[number].answer(status=503 if number % 2 else 429)
            assert (await task).outcome is Reason.INFERENCE_ERROR
        assert client.circuit is State.CLOSED
        assert client.health()[0].limit < before


async def test_a_refused_question_is_asked_once_more_elsewhere_within_the_retry_budget():
    # Promise (G15): only where not one byte came, on another replica, for a tenth of the calls at most.
    async with asking(2) as (client, hops):
        outcomes, refusing = [], False
        for turn in range(200):
            task = ask(client, "a")
            await turns()
            while not task.done():
                out = [(n, call) for n, hop in enumerate(hops) for call in hop.calls if not call.future.done()]
                for number, call in out:
                    if refusing and number == 0:
                        call.future.set_exception(HopUnavailable("refused", untouched=True))
                    else:
                        call.answer()
                await turns()
            outcomes.append((await task).outcome)
            refusing = turn >= 50
        assert outcomes == [Reason.PERSONALIZED] * 200
        assert 200 < sum(len(hop.calls) for hop in hops) <= 220
        assert client.health()[0].circuit != "closed"  # the dead replica is left alone, the other serves


async def test_what_is_wrong_with_whole_lists_only_shows_in_a_probe_too():
    # Promise (G16): a replica that names an item twice where it is asked for two is not tried on users again.
    async with asking() as (client, (hop,)):
        hop.well = False

        def answer(sent) -> None:
            items = [ranked("twice")] * min(2, sent.questions[0]["k"])
            sent.answer({"items": items, "confidence": 1.0, "confident": True})

        for _ in range(5):
            task = ask(client, "a")
            await turns()
            answer(hop.calls[-1])
            assert (await task).outcome is Reason.INFERENCE_INVALID
        for number in range(1, 4):
            await eventually(lambda number=number: len(hop.probes) == number)
            answer(hop.probes[-1])
            await turns()
        await eventually(lambda: len(hop.probes) == 4)  # after three that went well it would have closed
        assert client.circuit is not State.CLOSED


@pytest.mark.parametrize("whose", ["ours", "theirs"])
async def test_what_our_own_loop_is_late_is_no_fault_of_a_replica(whose):
    # Promise (G16): a gateway that is busy with something else keeps asking; a replica as slow as that is left alone.
    async with asking(gateway_inference_slow_ms=50.0) as (client, (hop,)):
        for _ in range(25):
            task = ask(client, "a")
            await turns()
            if whose == "ours":
                time.sleep(0.07)  # noqa: ASYNC251 - the pause is the point
            else:
                await asyncio.sleep(0.07)
            if not task.done():
                hop.calls[-1].answer()
            await task
        assert (client.circuit is State.CLOSED) is (whose == "ours")


async def test_the_least_busy_replica_is_asked():
    # Promise: a replica that hangs is not given more than the others.
    async with asking(2, gateway_inference_slots=8) as (client, hops):
        tasks = [ask(client, name) for name in "abcdef"]
        await turns()
        assert [len(hop.calls) for hop in hops] == [3, 3]
        for hop in hops:
            for call in hop.calls:
                call.answer()
        await asyncio.gather(*tasks)


async def test_no_call_starts_with_less_budget_than_calls_take():
    # Promise (G3): half of all calls take longer than that; the baseline is the better answer.
    async with asking() as (client, (hop,)):
        task = ask(client, "a")
        await turns()
        await asyncio.sleep(0.05)
        hop.calls[0].answer()
        await task
        assert client.health()[0].p50_ms >= 50
        assert (await ask(client, "b", 40.0)).outcome is Reason.BUDGET_TOO_SMALL
        assert len(hop.calls) == 1


async def test_plain_questions_ask_for_no_evidence_and_a_model_may_be_named():
    # Promise: both go in headers, so that an older or newer inference answers all the same; models are not mixed.
    async with asking(gateway_inference_slots=1) as (client, (hop,)):
        tasks = [ask(client, "a", evidence=False), ask(client, "b"), ask(client, "c", model="challenger")]
        for number in range(3):
            await turns()
            hop.calls[number].answer()
        await asyncio.gather(*tasks)
        assert [call.headers.get("X-Evidence") for call in hop.calls] == ["none", None, None]
        assert [call.headers.get("X-Evershelf-Model") for call in hop.calls] == [None, "challenger", None]


async def test_a_spare_question_goes_alone_beside_the_slots_and_only_while_half_the_limit_is_free():
    # Promise: copies are never batched with users' questions, hold no slot, and are the first to go.
    bounds = {"gateway_inference_concurrency_min": 4, "gateway_inference_concurrency_max": 4}
    async with asking(gateway_inference_slots=1, **bounds) as (client, (hop,)):
        copies = [ask(client, name, spare=True, model="m2") for name in "abc"]
        await turns()
        assert copies[2].done()
        assert (await copies[2]).outcome is Reason.OVERLOADED
        assert [len(call.questions) for call in hop.calls] == [1, 1]
        users = [ask(client, name) for name in "defg"]
        await turns()
        assert [len(call.questions) for call in hop.calls] == [1, 1, 1]
        assert client.in_flight == 4
        hop.calls[0].answer(status=500)
        hop.calls[2].answer()
        await turns()
        assert (await copies[0]).outcome is Reason.INFERENCE_ERROR
        assert [len(call.questions) for call in hop.calls] == [1, 1, 1, 3]
        hop.calls[3].answer()
        assert {(await user).outcome for user in users} == {Reason.PERSONALIZED}
        assert (client.circuit, client.health()[0].limit) == (State.CLOSED, 4)
        copies[1].cancel()
        await turns()
        assert hop.calls[1].future.cancelled()


async def test_no_spare_question_goes_out_while_a_users_is_computed():
    # Promise: inference computes one question at a time; a copy must not come between two of users.
    async with asking() as (client, (hop,)):
        user = ask(client, "a")
        await turns()
        assert (await ask(client, "b", spare=True)).outcome is Reason.OVERLOADED
        hop.calls[0].answer()
        await user
        copy = ask(client, "b", spare=True)
        await turns()
        hop.calls[1].answer()
        assert (await copy).outcome is Reason.PERSONALIZED


async def test_spare_questions_teach_nothing_about_a_replica():
    # Promise: however many copies fail or hang, users' questions are asked as before.
    async with asking() as (client, (hop,)):
        for number in range(30):
            copy = ask(client, "a", 10.0 if number % 2 else LONG_MS, spare=True)
            await turns()
            if number % 2 == 0:
                hop.calls[-1].future.set_exception(HopUnavailable("refused", untouched=True))
            assert (await copy).outcome in {Reason.DEADLINE_EXCEEDED, Reason.INFERENCE_UNAVAILABLE}
        assert (client.circuit, client.health()[0].state) == (State.CLOSED, "unknown")
        assert client.in_flight == 0
