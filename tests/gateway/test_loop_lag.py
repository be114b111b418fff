"""The sampler's promise: a loop that was held up says so at once, and forgets it soon after."""

import asyncio
import time

import pytest

from evershelf.gateway.loop_lag import SAMPLE_S, LoopLag

HELD_S = 0.2


async def until(holds) -> None:
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110 - nothing tells when a lag is forgotten
            await asyncio.sleep(SAMPLE_S)


async def test_who_asks_right_after_a_pause_hears_of_it():
    # Promise: no sample needs to be taken first; the request that was held up already knows.
    lag = LoopLag()
    await lag.start()
    time.sleep(HELD_S)  # noqa: ASYNC251 - the pause is the point
    assert lag.lag_ms >= (HELD_S - SAMPLE_S) * 1_000 - 1
    await lag.close()


async def test_a_pause_is_remembered_for_a_few_samples_and_then_forgotten():
    # Promise: one pause costs a fraction of a second of caution, not more.
    lag = LoopLag()
    await lag.start()
    time.sleep(HELD_S)  # noqa: ASYNC251 - the pause is the point
    await asyncio.sleep(0)
    await until(lambda: lag.lag_ms < HELD_S * 1_000 / 4)
    await lag.close()


async def test_a_clock_of_the_worlds_own_is_obeyed():
    # Promise: under a virtual clock the lag is virtual too.
    now_s = 100.0
    lag = LoopLag(lambda: now_s)
    assert lag.lag_ms == 0
    await lag.start()
    now_s += SAMPLE_S + 0.5
    assert round(lag.lag_ms) == 500
    await lag.close()
    assert lag.lag_ms == 0


async def test_attentive_time_stands_still_while_the_loop_is_late():
    # Promise: what is measured with it is what others took, whether or not the pause has been sampled yet.
    now_s = 100.0
    lag = LoopLag(lambda: now_s)
    await lag.start()
    began_s = lag.attentive_s
    now_s += SAMPLE_S + 0.5
    unsampled_s = lag.attentive_s - began_s
    await until(lambda: lag.lag_ms < 500)
    assert unsampled_s == pytest.approx(SAMPLE_S)
    assert lag.attentive_s - began_s == pytest.approx(SAMPLE_S)
    now_s += SAMPLE_S
    assert lag.attentive_s - began_s == pytest.approx(2 * SAMPLE_S)
    await lag.close()
