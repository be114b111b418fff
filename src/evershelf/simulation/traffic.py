"""Who calls the simulated gateway, how often, and what is noted of each call."""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from random import Random
from typing import Any

import orjson

from evershelf.contracts.events import EventStatus
from evershelf.contracts.recommendations import Recommendation
from evershelf.simulation import clients, shop
from evershelf.simulation.clients import Imagination, Question, Report
from evershelf.simulation.faults import Fault
from evershelf.simulation.gateway_process import Answer
from evershelf.simulation.truth import Asked
from evershelf.simulation.world import World

QUESTIONS_A_S = 5.0
REPORTS_A_S = 2.0
BURST_FACTOR = 10.0
SUPPRESSIONS_A_S = 0.3
GETS_SHARE = 0.3
_TAKEN = {EventStatus.ACCEPTED, EventStatus.ACCEPTED_UNKNOWN_ITEM}
_SPOOL_TROUBLE = (
    Fault.DISK_FULL, Fault.DISK_SYNC_FAILS, Fault.DISK_SLOW, Fault.DISK_HANGS, Fault.GATEWAY_RESTARTED,
)  # fmt: skip


@dataclass(eq=False)
class Traffic:
    """Goes on until `stop`; `answers` are in the order in which they came."""

    world: World
    seed: int
    answers: list[tuple[Asked, Recommendation | None]] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)
    sources: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    _tasks: set["asyncio.Task[None]"] = field(default_factory=set)
    _stopped: bool = False

    def begin(self) -> None:
        """Callers arrive, each stream by a Poisson process of its own."""
        self._random = Random(f"traffic {self.seed}")
        self._imagination = Imagination(Random(f"callers {self.seed}"))
        self._begin(self._stream(QUESTIONS_A_S, self._ask_anything))
        self._begin(self._stream(REPORTS_A_S, self._report_anything))
        self._begin(self._stream(SUPPRESSIONS_A_S, self._suppress_anything))

    async def stop(self) -> None:
        """Nobody new arrives; returns when those who are there have what they came for."""
        self._stopped = True
        while self._tasks:
            await asyncio.wait(list(self._tasks))

    async def ask(self, question: Question) -> Recommendation | None:
        """One question, checked."""
        world = self.world
        world.truth.under_way[question.number] = question
        began_unix_s = world.unix_s()
        answer = await self._send_question(question)
        del world.truth.under_way[question.number]
        asked = Asked(question, answer, world.unix_s(), began_unix_s)
        shelf = world.checks.answered(asked)
        self._note(asked, shelf)
        return shelf

    async def _send_question(self, question: Question) -> Answer | None:
        gateway = self.world.gateway
        if gateway is None:
            return None
        patience_s = question.due_ms / 1_000 + clients.CLIENT_PATIENCE_S
        headers = clients.headers(question.budget_ms)
        if question.number % 10 < GETS_SHARE * 10 and "exclude" not in question.body:
            future = gateway.request("GET", "/v1/recommendations", query=_query(question.body), headers=headers)
        else:
            body = clients.encoded(question.body)
            future = gateway.request("POST", "/v1/recommendations", headers=headers, body=body)
        return await clients.patiently(future, patience_s)

    def _note(self, asked: Asked, shelf: Recommendation | None) -> None:
        status = asked.answer.status if asked.answer is not None else -1
        told = None
        if shelf is not None:
            self.reasons.update([shelf.reason, *(attempt.outcome for attempt in shelf.attempts)])
            self.sources.update(place.source for place in shelf.items)
            told = (shelf.reason, shelf.source, [place.item_id for place in shelf.items], str(shelf.recommendation_id))
        self.answers.append((asked, shelf))
        self.world.note("answer", asked.question.number, status, told)

    async def _stream(self, a_second: float, happen: Callable[[], Coroutine[Any, Any, None]]) -> None:
        while not self._stopped:
            factor = BURST_FACTOR if self.world.weather.strikes(Fault.BURST) else 1.0
            await asyncio.sleep(self._random.expovariate(a_second * factor))
            self._begin(happen())

    async def _ask_anything(self) -> None:
        await self.ask(self._imagination.question(self.world.loop.time()))

    async def _report_anything(self) -> None:
        """A batch, sent again with the same ids until it is answered, as a good client does."""
        world = self.world
        batch = self._imagination.reports(world.unix_s(), poison=world.weather.strikes(Fault.POISON_EVENT))
        body = clients.encoded({"events": [report.body for report in batch]})
        for _ in range(clients.REPORT_RETRIES_MAX):
            self._remember_sent(batch)
            if (gateway := world.gateway) is not None:
                future = gateway.request("POST", "/v1/events", headers=clients.headers(), body=body)
                answer = await clients.patiently(future, clients.CLIENT_PATIENCE_S)
                if self._judge(batch, answer):
                    return
            await asyncio.sleep(self._random.uniform(*clients.RETRY_AFTER_S))
        world.checks.fail("G14", "events were not taken for a minute")

    def _remember_sent(self, batch: list[Report]) -> None:
        for report in batch:
            bodies = self.world.truth.sent_bodies.setdefault(report.event_id, [])
            if report.body not in bodies:
                bodies.append(report.body)
            if report.body["event_type"] == "purchase":
                for who in ("user_id", "session_id"):
                    if who in report.body:
                        self.world.truth.bought.setdefault(report.body[who], set()).add(report.body["item_id"])

    def _judge(self, batch: list[Report], answer: Answer | None) -> bool:
        """Whether the batch is dealt with; G9, G10, G12 of the answer."""
        checks, weather = self.world.checks, self.world.weather
        if answer is None or answer.status in {0, 503}:
            if answer is not None and answer.status == 503:
                self.statuses["not_durable"] += 1
                if b"retry-after" not in answer.headers:
                    checks.fail("G12", "503 without Retry-After")
                if not weather.recently(*_SPOOL_TROUBLE, within_s=12.0):
                    checks.fail("G12", f"events refused, and the disk is well: {answer.body[:200]!r}")
            return False
        if answer.status != 202:
            checks.fail("G12", f"{answer.status} to a batch of events: {answer.body[:200]!r}")
            return True
        results = orjson.loads(answer.body)["results"]
        if [result["event_id"] for result in results] != [str(report.event_id) for report in batch]:
            checks.fail("G9", "the results are not those of the batch")
        for report, result in zip(batch, results, strict=True):
            self.statuses[result["status"]] += 1
            self._taken(report, EventStatus(result["status"]))
        self.world.note("events", [result["status"] for result in results])
        return True

    def _taken(self, report: Report, status: EventStatus) -> None:
        truth, checks = self.world.truth, self.world.checks
        if status in _TAKEN:
            known = truth.acked.get(report.event_id)
            if known is not None and report.event_id not in truth.exempt and truth.forgotten_s < 0:
                checks.fail("G10", f"event {report.event_id} is accepted twice")
            truth.acked.setdefault(report.event_id, report)
            truth.takes_interest(report)
        elif status in {EventStatus.DUPLICATE, EventStatus.CONFLICT}:
            bodies = truth.sent_bodies[report.event_id]
            if status is EventStatus.CONFLICT and len(bodies) < 2:
                checks.fail("G10", f"event {report.event_id} is a conflict with itself")
            if status is EventStatus.DUPLICATE:
                truth.acked.setdefault(report.event_id, report)
        elif not self.world.weather.recently(Fault.CLOCK_STEPS, within_s=3_600.0):
            checks.fail("G12", f"a sound event is {status}")

    async def _suppress_anything(self) -> None:
        """An operator takes an item off the shelf, or puts it back."""
        world = self.world
        if world.weather.recently(Fault.POSTGRES_DOWN, Fault.ALONE, within_s=0.0):
            return
        item = self._random.choice(shop.catalog())
        suppressed = item.item_id not in world.truth.hidden_since_s
        world.tables.put_item(item, now=shop.OPENING, suppressed=suppressed)
        if suppressed:
            world.truth.hidden_since_s[item.item_id] = world.loop.time()
            world.truth.shown_since_s.pop(item.item_id, None)
        else:
            del world.truth.hidden_since_s[item.item_id]
            world.truth.surely_heard.discard(item.item_id)
            world.truth.shown_since_s[item.item_id] = world.loop.time()
        world.note("suppressed", item.item_id, suppressed)
        world.postgres.notify()

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = self.world.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _query(body: Any) -> str:
    parts = []
    for name, value in body.items():
        parts += [f"{name}={each}" for each in (value if isinstance(value, list) else [value])]
    return "&".join(parts)
