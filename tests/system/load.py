"""An open-loop load generator: sends on a schedule whether or not answers come, and judges every answer."""

import asyncio
import gc
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import aiohttp

from evershelf.contracts.recommendations import Recommendation

SEND_CONCURRENCY_MAX = 512


@dataclass
class LoadReport:
    """What came back, counted; `late` counts from the scheduled send time."""

    requests: int = 0
    exceptions: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    invalid: Counter[str] = field(default_factory=Counter)
    sources: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    degraded: int = 0
    latencies_ms: list[float] = field(default_factory=list)
    answers: list[Recommendation] = field(default_factory=list)

    def percentile_ms(self, share: float) -> float:
        """The latency that `share` of the answers did not exceed."""
        ordered = sorted(self.latencies_ms)
        return ordered[min(int(share * len(ordered)), len(ordered) - 1)]

    def __str__(self) -> str:
        return (
            f"{self.requests} requests, {dict(self.statuses)}, {sum(self.exceptions.values())} exceptions, "
            f"{sum(self.invalid.values())} invalid, sources {dict(self.sources)}, reasons {dict(self.reasons)}, "
            f"degraded {self.degraded}, p50 {self.percentile_ms(0.5):.1f} ms, p99 {self.percentile_ms(0.99):.1f} ms, "
            f"p99.9 {self.percentile_ms(0.999):.1f} ms, max {self.percentile_ms(1.0):.1f} ms"
        )


async def drive(
    url: str, headers: dict[str, str], query: Callable[[int], dict[str, str]], *, requests: int, rate_per_s: float
) -> LoadReport:
    """Asks for `requests` recommendations, the n-th at n / rate seconds from now; judges them when all are in.

    While it sends, the collector is off and no answer is parsed: a generator that pauses sends bursts, and the bursts
    would be counted as the gateway's slowness.
    """
    report = LoadReport(requests=requests)
    gc.collect()
    gc.disable()
    try:
        bodies = await _send(url, headers, query, report, rate_per_s)
    finally:
        gc.enable()
    for body, k in bodies:
        _judge(Recommendation.model_validate_json(body), k, report)
    return report


async def _send(
    url: str, headers: dict[str, str], query: Callable[[int], dict[str, str]], report: LoadReport, rate_per_s: float
) -> list[tuple[bytes, int]]:
    began_s, permits = time.monotonic(), asyncio.Semaphore(SEND_CONCURRENCY_MAX)
    bodies: list[tuple[bytes, int]] = []
    async with aiohttp.ClientSession(headers=headers) as session, asyncio.TaskGroup() as group:
        for number in range(report.requests):
            due_s = began_s + number / rate_per_s
            await asyncio.sleep(max(0.0, due_s - time.monotonic()))
            await permits.acquire()
            asked = _ask(session, f"{url}/v1/recommendations", query(number), due_s, report)
            group.create_task(_released(asked, permits, bodies))
    return bodies


async def _released(
    asked: Awaitable[tuple[bytes, int] | None], permits: asyncio.Semaphore, bodies: list[tuple[bytes, int]]
) -> None:
    try:
        answer = await asked
    finally:
        permits.release()
    if answer is not None:
        bodies.append(answer)


async def _ask(
    session: aiohttp.ClientSession, url: str, query: dict[str, str], due_s: float, report: LoadReport
) -> tuple[bytes, int] | None:
    try:
        async with session.get(url, params=query) as response:
            body = await response.read()
    except aiohttp.ClientError as error:
        report.exceptions[type(error).__name__] += 1
        return None
    report.latencies_ms.append((time.monotonic() - due_s) * 1_000)
    report.statuses[response.status] += 1
    return (body, int(query.get("k", "10"))) if response.status == 200 else None


def _judge(answer: Recommendation, k: int, report: LoadReport) -> None:
    ids, scores = [item.item_id for item in answer.items], [item.score for item in answer.items]
    report.answers.append(answer)
    report.sources[answer.source] += 1
    report.reasons[answer.reason] += 1
    report.degraded += answer.degraded
    for fault, found in {
        "not k items": len(ids) != k,
        "an item twice": len(set(ids)) != len(ids),
        "scores rise": scores != sorted(scores, reverse=True),
        "unavailable item": not all(item.item.available for item in answer.items),
        "ranks": [item.rank for item in answer.items] != list(range(1, len(ids) + 1)),
        "source not first item's": bool(ids) and answer.source is not answer.items[0].source,
    }.items():
        report.invalid[fault] += found
