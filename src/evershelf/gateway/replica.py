"""One inference process as the gateway uses it: its circuit, its limit, its slots, and what collects meanwhile.

A question is sent at once while a slot is free. While none is, questions collect, and go together when one becomes
free: batches grow with the load and cost nothing without it; nobody waits for a batch to fill. Nothing here is
unbounded: questions in hand, collecting or sent, stay within the adaptive limit. When it is reached, the newest
question takes the place of the oldest that still collects, for the newest has the most time left.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from evershelf.contracts.health import DependencyState, ReplicaHealth
from evershelf.contracts.recommendations import Reason
from evershelf.gateway.circuit import Circuit
from evershelf.gateway.hop import Hop, HopError, HopReply, HopUnavailable
from evershelf.gateway.outside import Outside
from evershelf.gateway.rank_wire import Answer, Told, encode_question, join_questions, read_answers
from evershelf.gateway.settings import GatewaySettings
from evershelf.gateway.telemetry import Telemetry
from evershelf.policy.breaker import Call, Limits, State
from evershelf.policy.call_time import CallTime, judge, observed, p50_ms
from evershelf.policy.limiter import Bounds, Limiter, after_answers, after_congestion

# A call that lasts longer no longer holds its slot: one slow call must not keep the others waiting.
SLOT_S_MAX = 0.02
OUR_FAULT = frozenset({400, 413, 422})
BUSY = frozenset({429, 503})
PROBE = encode_question((), k=1, exclude=())


@dataclass(eq=False, slots=True)
class Question:
    """One question on its way. `deadline_s` (monotonic) is when its asker stops waiting."""

    body: bytes
    told: frozenset[str]
    evidence: bool
    model: str | None
    asked_s: float
    deadline_s: float
    answer: "asyncio.Future[Answer]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    alone: bool = False  # it may be what spoilt a batch
    missed: bool = False  # its deadline came before the answer

    def settle(self, answer: Answer) -> None:
        """Tells the asker, if it still waits."""
        if not self.answer.done():
            self.answer.set_result(answer)


@dataclass(eq=False, slots=True)
class _Batch:
    """Questions that were sent together. All of them keep their permits until the call has really ended."""

    questions: list[Question]
    call: "asyncio.Future[HopReply]"
    sent_s: float
    timer: asyncio.TimerHandle | None = None
    holds_slot: bool = True
    counted_slow: bool = False

    def stop_timer(self) -> None:
        """Nothing more is due."""
        if self.timer is not None:
            self.timer.cancel()


class Replica:
    """See the module. Used on the event loop only."""

    def __init__(
        self, name: str, hop: Hop, settings: GatewaySettings, telemetry: Telemetry, *, outside: Outside
    ) -> None:
        self.name = name
        self._hop = hop
        self._settings = settings
        self._telemetry = telemetry
        self._clock = outside.clock
        self.circuit = Circuit(f"inference {name}", self._probe, Limits(), outside=outside)
        self._bounds = Bounds(settings.gateway_inference_concurrency_min, settings.gateway_inference_concurrency_max)
        self._limiter = Limiter(float(self._bounds.limit_max))
        self._times = CallTime()
        self._collecting: list[Question] = []
        self._batches: set[_Batch] = set()
        self._state = DependencyState.UNKNOWN
        self._since_s: float | None = None

    @property
    def in_flight(self) -> int:
        """Questions in hand, those included whose askers stopped waiting."""
        return len(self._collecting) + sum(len(batch.questions) for batch in self._batches)

    @property
    def occupancy(self) -> float:
        """The share of the limit in use."""
        return self.in_flight / self._limiter.limit

    @property
    def p50_ms(self) -> float:
        """What a call usually takes; 0 while nothing is known."""
        return p50_ms(self._times, now_s=self._clock.monotonic_s())

    def health(self) -> ReplicaHealth:
        """What stands at /dependencies."""
        return ReplicaHealth(
            name=self.name,
            state=self._state,
            since_s=self._since_s,
            circuit=self.circuit.state,
            limit=int(self._limiter.limit),
            in_flight=self.in_flight,
            p50_ms=round(self.p50_ms, 3),
        )

    def ask(self, question: Question) -> None:
        """Sends the question, or lets it wait for a slot. Its `answer` has no time limit: `leave` ends the waiting."""
        if self.in_flight >= int(self._limiter.limit):
            self._congested()
            if not self._collecting:
                question.settle(Answer(Reason.OVERLOADED))
                return
            self._collecting.pop(0).settle(Answer(Reason.OVERLOADED))
        self._collecting.append(question)
        self._fill_slots()

    def leave(self, question: Question, *, missed: bool) -> None:
        """The asker stops waiting; `missed` when its deadline came. A call that nobody waits for any more is ended."""
        question.missed = missed
        question.answer.cancel()
        if missed and self._judged(Reason.DEADLINE_EXCEEDED, question.asked_s) is not Call.IGNORED:
            self._congested()
        if question in self._collecting:
            self._collecting.remove(question)
        for batch in self._batches:
            if question in batch.questions and all(each.answer.done() for each in batch.questions):
                batch.call.cancel()

    async def close(self) -> None:
        """Ends every call."""
        await self.circuit.close()
        self._collecting.clear()
        for batch in self._batches:
            batch.stop_timer()
        await self._hop.close()

    def _fill_slots(self) -> None:
        slots = self._settings.gateway_inference_slots
        while self._collecting and sum(batch.holds_slot for batch in self._batches) < slots:
            if self.circuit.state is not State.CLOSED:  # it opened while they collected
                self._collecting.pop().settle(Answer(Reason.CIRCUIT_OPEN))
            elif questions := self._taken():
                self._send(questions)

    def _taken(self) -> list[Question]:
        """The newest questions that still have time, as many as a batch holds; those too late are told."""
        now_s, least_s, taken = self._clock.monotonic_s(), self.p50_ms / 1_000, list[Question]()
        size_max = self._settings.gateway_inference_batch_max
        while self._collecting and len(taken) < size_max:
            question = self._collecting[-1]
            if taken and (question.alone or question.model != taken[0].model):
                break
            self._collecting.pop()
            if question.deadline_s - now_s <= least_s:
                question.settle(Answer(Reason.OVERLOADED))
                continue
            taken.append(question)
            size_max = 1 if question.alone else size_max
        return taken

    def _send(self, questions: list[Question]) -> None:
        now_s = self._clock.monotonic_s()
        if max(now_s - each.asked_s for each in questions) * 1_000 > self._settings.gateway_inference_queue_ms_max:
            self._congested()
        budgets_ms = [max(1, int((each.deadline_s - now_s) * 1_000)) for each in questions]
        headers = b"X-Request-Deadline-Ms: %d\r\n" % max(budgets_ms)
        if len(questions) > 1:
            headers += b"X-Query-Budgets-Ms: %b\r\n" % b",".join(b"%d" % budget_ms for budget_ms in budgets_ms)
        if questions[0].model is not None:
            headers += b"X-Evershelf-Model: %b\r\n" % questions[0].model.encode("latin-1")
        if not any(each.evidence for each in questions):
            headers += b"X-Evidence: none\r\n"
        call = self._hop.post(headers, join_questions(each.body for each in questions))
        batch = _Batch(questions, call, now_s)
        batch.timer = asyncio.get_running_loop().call_later(SLOT_S_MAX, self._free_slot, batch)
        self._batches.add(batch)
        call.add_done_callback(lambda _: self._ended(batch))

    def _free_slot(self, batch: _Batch) -> None:
        batch.holds_slot = False
        slow_in_s = self._settings.gateway_inference_slow_ms / 1_000 - SLOT_S_MAX
        batch.timer = asyncio.get_running_loop().call_later(slow_in_s, self._count_slow, batch)
        self._fill_slots()

    def _count_slow(self, batch: _Batch) -> None:
        """Slowness counts while it lasts: a frozen process is found out long before the longest deadline has passed."""
        batch.counted_slow = True
        self.circuit.record(Call.SLOW, began_s=batch.sent_s)

    def _ended(self, batch: _Batch) -> None:
        batch.stop_timer()
        self._batches.discard(batch)
        answers = _read(batch.call, [question.told for question in batch.questions])
        if len(batch.questions) > 1 and answers[0].status in OUR_FAULT:  # which one it was shows when each goes alone
            for question in batch.questions:
                question.alone = True
            self._collecting += [question for question in batch.questions if not question.answer.done()]
        else:
            self._learn(batch, next((answer for answer in answers if answer.trouble is not None), answers[0]))
            for question, answer in zip(batch.questions, answers, strict=True):
                question.settle(answer)
        self._fill_slots()

    def _learn(self, batch: _Batch, worst: Answer) -> None:
        """What the call says about the replica: to its circuit, its limit and its times."""
        size, now_s = len(batch.questions), self._clock.monotonic_s()
        call = Call.IGNORED if worst.status in OUR_FAULT | BUSY else Call.GOOD
        if batch.call.cancelled() and not any(question.missed for question in batch.questions):
            return  # the callers went away
        if worst.status in BUSY and worst.trouble is not Reason.NO_MODEL:
            self._congested()
        if worst.trouble is Reason.INTERNAL_ERROR and isinstance(bug := batch.call.exception(), Exception):
            self._telemetry.caught("inference_call", bug)
        if worst.trouble is None:
            self._times = observed(self._times, (now_s - batch.sent_s) * 1_000, now_s=now_s)
            self._limiter = after_answers(self._limiter, self._bounds, answers=size, in_flight=self.in_flight + size)
        if call is not Call.IGNORED:
            call = self._judged(worst.trouble or Reason.PERSONALIZED, batch.sent_s)
        if not (batch.counted_slow and call is Call.SLOW):
            self.circuit.record(call, began_s=batch.sent_s)
        self._become(DependencyState.UP if worst.trouble is None else DependencyState.DOWN)

    def _judged(self, outcome: Reason, began_s: float) -> Call:
        limits = self._settings
        return judge(
            outcome,
            elapsed_ms=(self._clock.monotonic_s() - began_s) * 1_000,
            p50_ms=self.p50_ms,
            slow_ms=limits.gateway_inference_slow_ms,
            patience_ms=limits.gateway_inference_patience_ms,
        )

    def _congested(self) -> None:
        self._limiter = after_congestion(self._limiter, self._bounds, now_s=self._clock.monotonic_s())

    async def _probe(self) -> bool:
        """Asks one cheap question of the kind that requests ask; well is who answers soundly and not slowly."""
        began_s, budget_ms = self._clock.monotonic_s(), self._settings.gateway_inference_probe_ms
        try:
            call = self._hop.post(b"X-Request-Deadline-Ms: %d\r\n" % budget_ms, join_questions([PROBE]))
            try:
                await asyncio.wait([call], timeout=budget_ms / 1_000)
            finally:
                call.cancel()
            await asyncio.wait([call])
            (answer,) = _read(call, [None])
        except Exception as error:  # noqa: BLE001 - the source boundary: no bug may end the probing
            self._telemetry.caught("inference_probe", error)
            return False
        well = self._judged(answer.trouble or Reason.PERSONALIZED, began_s) is Call.GOOD
        self._become(DependencyState.UP if well else DependencyState.DOWN)
        return well

    def _become(self, state: DependencyState) -> None:
        if state is not self._state:
            self._state, self._since_s = state, self._clock.unix_s()


def _read(call: "asyncio.Future[HopReply]", told: Sequence[Told]) -> list[Answer]:
    """An answer for each question, whatever came of the call, which has ended."""
    if call.cancelled():
        return [Answer(Reason.DEADLINE_EXCEEDED)] * len(told)
    error = call.exception()
    if isinstance(error, HopUnavailable):
        return [Answer(Reason.INFERENCE_UNAVAILABLE, untouched=error.untouched)] * len(told)
    if isinstance(error, HopError):
        return [Answer(Reason.INFERENCE_INVALID)] * len(told)
    if error is not None:
        return [Answer(Reason.INTERNAL_ERROR)] * len(told)
    return read_answers(call.result(), told)
