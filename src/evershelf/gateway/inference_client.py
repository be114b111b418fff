"""The one place that calls inference: a history in, a `ModelReply` out, whatever inference does.

A question is sent at once while its replica has a slot free. While none is, questions collect, and go together when one
becomes free: batches grow with the load and cost nothing without it; nobody waits for a batch to fill. Nothing here is
unbounded: questions in hand, collecting or sent, stay within the replica's adaptive limit. When it is reached, the
newest question takes the place of the oldest that still collects, for the newest has the most time left. What calls
teach about a replica is kept in its circuit.

A spare question (a copy, whose answer no user waits for) goes out alone, only while no slot is taken and half of the
limit is free, and teaches nothing about the replica. Inference computes one question at a time: a user's question that
comes while it computes a spare one waits that long.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from evershelf.contracts.events import EventType
from evershelf.contracts.health import DependencyState, ReplicaHealth
from evershelf.contracts.recommendations import Reason
from evershelf.gateway.circuit import BUSY, OUR_FAULT, Circuit, Moment
from evershelf.gateway.hop import Address, Hop, HopError, HopReply, HopUnavailable, HttpHop
from evershelf.gateway.loop_lag import LoopLag
from evershelf.gateway.outside import Outside
from evershelf.gateway.rank_wire import RANK_PATH, Answer, Told, encode_question, join_questions, read_answers
from evershelf.gateway.settings import GatewaySettings
from evershelf.gateway.telemetry import Telemetry
from evershelf.policy.breaker import State
from evershelf.policy.compose import ModelReply
from evershelf.policy.retries import RetryBudget, after_call, spend

# A call that lasts longer no longer holds its slot: one slow call must not keep the others waiting.
SLOT_S_MAX = 0.02
# Timers are no finer: a call that is nearly slow is looked at again after so long.
LOOK_S_MIN = 0.001
# Of its limit a replica may have in hand when it is asked a spare question.
SPARE_SHARE_MAX = 0.5
# A page of items: what is wrong with a list does not show in a single item, and its replica would be tried on users.
PROBE = encode_question((), k=20, exclude=())


class InferenceClient:
    """All replicas of inference. `rank` never raises for what inference or the network do: it says what came."""

    def __init__(
        self,
        settings: GatewaySettings,
        telemetry: Telemetry,
        *,
        loop_lag: LoopLag,
        outside: Outside,
        open_hop: Callable[[Address, GatewaySettings], Hop] | None = None,
    ) -> None:
        self._settings = settings
        self._telemetry = telemetry
        self._clock_s = outside.clock.monotonic_s
        self._random = outside.random
        addresses = [Address.of(url.strip()) for url in settings.inference_url.split(",")]
        self._replicas = [
            Replica(
                str(address), (open_hop or _http_hop)(address, settings), settings, telemetry,
                loop_lag=loop_lag, outside=outside,
            )
            for address in addresses
        ]  # fmt: skip
        self._retries = RetryBudget()

    async def start(self) -> None:
        """Begins to look out for probes that are due; no connection is made yet."""
        for replica in self._replicas:
            await replica.circuit.start()

    async def close(self) -> None:
        """Ends every call and closes every connection."""
        for replica in self._replicas:
            await replica.close()

    @property
    def circuit(self) -> State:
        """The state of the best replica's breaker."""
        states = [replica.circuit.state for replica in self._replicas]
        return next((state for state in (State.CLOSED, State.HALF_OPEN) if state in states), states[0])

    @property
    def state(self) -> DependencyState:
        """Whether any replica was seen well."""
        states = {health.state for health in self.health()}
        return next(
            (state for state in (DependencyState.UP, DependencyState.DOWN) if state in states), DependencyState.UNKNOWN
        )

    @property
    def in_flight(self) -> int:
        """Questions that have not ended, abandoned ones included."""
        return sum(replica.in_flight for replica in self._replicas)

    @property
    def occupancy(self) -> float:
        """The share of its limit that the least busy replica which takes calls has in use; 0 when none does."""
        return min((each.occupancy for each in self._replicas if each.circuit.state is State.CLOSED), default=0.0)

    def health(self) -> list[ReplicaHealth]:
        """Each replica as it stands."""
        return [replica.circuit.health(replica.in_flight) for replica in self._replicas]

    async def rank(  # noqa: PLR0913 - what a question may say
        self,
        history: Sequence[tuple[str, EventType, float]],
        *,
        k: int,
        exclude: Sequence[str],
        evidence: bool,
        answered: Reason,
        remaining_ms: float,
        model: str | None = None,
        spare: bool = False,
        traceparent: str | None = None,
    ) -> ModelReply:
        """Asks for `k` items within `remaining_ms`; `answered` is the outcome to give to a sound answer.

        `history` is (item, event type, age in s), newest first; `evidence` whether the answer shall say why; `model`
        the alias or version that shall answer, the champion by default; `spare` see the module; `traceparent` goes
        along where the request is traced.
        """
        began_s = self._clock_s()
        question = Question(
            encode_question(history, k=k, exclude=exclude), frozenset(item_id for item_id, _, _ in history),
            evidence, model, spare, began_s, began_s + remaining_ms / 1_000, traceparent,
        )  # fmt: skip
        asked, answer = await self._ask(question, self._replicas)
        if not spare:
            self._retries = after_call(self._retries)
            if answer.untouched and len(self._replicas) > 1 and (retries := spend(self._retries)) is not None:
                self._retries = retries
                others = [replica for replica in self._replicas if replica is not asked]
                _, answer = await self._ask(replace(question, asked_s=self._clock_s()), others)
            self._telemetry.inference_called(answer.trouble or answered, self._clock_s() - began_s)
        elapsed_ms = (self._clock_s() - began_s) * 1_000
        return ModelReply(
            answer.trouble or answered, elapsed_ms, answer.ranking, answer.model_version, busy=answer.status in BUSY
        )

    async def _ask(self, question: "Question", replicas: "Sequence[Replica]") -> "tuple[Replica | None, Answer]":
        """Asks the least busy of the replicas that take calls, and waits until the deadline, never past it."""
        admitted = [replica for replica in replicas if replica.circuit.admits()]
        if not admitted:
            return None, Answer(Reason.CIRCUIT_OPEN)
        replica = min(admitted, key=lambda each: (each.in_flight, self._random.random()))
        remaining_s = question.deadline_s - self._clock_s()
        if remaining_s * 1_000 < max(replica.circuit.p50_ms, self._settings.gateway_inference_budget_ms_min):
            return replica, Answer(Reason.BUDGET_TOO_SMALL)
        replica.ask(question)
        timer = asyncio.get_running_loop().call_later(remaining_s, replica.missed, question)
        try:
            return replica, await question.answer
        except asyncio.CancelledError:  # the caller hung up
            replica.leave(question)
            raise
        finally:
            timer.cancel()


@dataclass(eq=False, slots=True)
class Question:
    """One question on its way. `deadline_s` (monotonic) is when its asker stops waiting."""

    body: bytes
    told: frozenset[str]
    evidence: bool
    model: str | None
    spare: bool
    asked_s: float
    deadline_s: float
    traceparent: str | None = None
    answer: "asyncio.Future[Answer]" = field(
        init=False, default_factory=lambda: asyncio.get_running_loop().create_future()
    )
    alone: bool = field(init=False, default=False)  # it may be what spoilt a batch
    missed: bool = field(init=False, default=False)  # its deadline came before the answer

    def settle(self, answer: Answer) -> None:
        """Tells the asker, if it still waits."""
        if not self.answer.done():
            self.answer.set_result(answer)


@dataclass(eq=False, slots=True)
class _Batch:
    """Questions that were sent together. All of them keep their permits until the call has really ended."""

    questions: list[Question]
    call: "asyncio.Future[HopReply]"
    sent: Moment
    timer: asyncio.TimerHandle | None = None
    holds_slot: bool = True
    slow_told: bool = False

    def stop_timer(self) -> None:
        """Nothing more is due."""
        if self.timer is not None:
            self.timer.cancel()


class Replica:
    """One inference process as the gateway uses it: its slots, and what collects meanwhile. On the event loop only."""

    def __init__(
        self,
        name: str,
        hop: Hop,
        settings: GatewaySettings,
        telemetry: Telemetry,
        *,
        loop_lag: LoopLag,
        outside: Outside,
    ) -> None:
        self._hop = hop
        self._settings = settings
        self._telemetry = telemetry
        self._clock_s = outside.clock.monotonic_s
        self.circuit = Circuit(name, self._probe, settings, telemetry, loop_lag=loop_lag, outside=outside)
        self._collecting: list[Question] = []
        self._batches: set[_Batch] = set()
        self._spares: set[_Batch] = set()

    @property
    def in_flight(self) -> int:
        """Questions in hand, those included whose askers stopped waiting; spare ones are not among them."""
        return len(self._collecting) + sum(len(batch.questions) for batch in self._batches)

    @property
    def occupancy(self) -> float:
        """The share of the limit in use."""
        return self.in_flight / self.circuit.limit

    def ask(self, question: Question) -> None:
        """Sends the question, or lets it wait for a slot. Its `answer` has no time limit: see `missed`."""
        if question.spare:
            self._ask_spare(question)
            return
        if self.in_flight >= int(self.circuit.limit):
            if not self._collecting:
                question.settle(Answer(Reason.OVERLOADED))
                return
            self._collecting.pop(0).settle(Answer(Reason.OVERLOADED))
        self._collecting.append(question)
        self._fill_slots()

    def missed(self, question: Question) -> None:
        """The deadline came before the answer."""
        if question.answer.done():
            return
        question.missed = True
        question.settle(Answer(Reason.DEADLINE_EXCEEDED))
        self.leave(question)
        if not question.spare:
            self.circuit.missed(asked_s=question.asked_s)

    def leave(self, question: Question) -> None:
        """The asker waits no longer. A call that nobody waits for any more is ended."""
        question.answer.cancel()
        if question in self._collecting:
            self._collecting.remove(question)
        for batch in (*self._batches, *self._spares):
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
        now_s, least_s, taken = self._clock_s(), self.circuit.p50_ms / 1_000, list[Question]()
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
        batch = self._posted(questions)
        if (
            max(batch.sent.at_s - each.asked_s for each in questions) * 1_000
            > self._settings.gateway_inference_queue_ms_max
        ):
            self.circuit.congested()
        batch.timer = asyncio.get_running_loop().call_later(SLOT_S_MAX, self._free_slot, batch)
        self._batches.add(batch)
        batch.call.add_done_callback(lambda _: self._ended(batch))

    def _posted(self, questions: list[Question]) -> _Batch:
        sent = self.circuit.moment()
        budgets_ms = [max(1, int((each.deadline_s - sent.at_s) * 1_000)) for each in questions]
        headers = b"X-Request-Deadline-Ms: %d\r\n" % max(budgets_ms)
        if len(questions) > 1:
            headers += b"X-Query-Budgets-Ms: %b\r\n" % b",".join(b"%d" % budget_ms for budget_ms in budgets_ms)
        if questions[0].model is not None:
            headers += b"X-Evershelf-Model: %b\r\n" % questions[0].model.encode("latin-1")
        # A call has room for one trace: of several questions that are traced, the first one's.
        if (traced := next((each.traceparent for each in questions if each.traceparent), None)) is not None:
            headers += b"Traceparent: %b\r\n" % traced.encode()
        if not any(each.evidence for each in questions):
            headers += b"X-Evidence: none\r\n"
        return _Batch(questions, self._hop.post(headers, join_questions(each.body for each in questions)), sent)

    def _free_slot(self, batch: _Batch) -> None:
        batch.holds_slot = False
        self._tell_slow(batch)
        self._fill_slots()

    def _tell_slow(self, batch: _Batch) -> None:
        """Tells that the call is slow, once it is."""
        left_ms = self._settings.gateway_inference_slow_ms - self.circuit.taken_ms(batch.sent)
        if left_ms > 0:
            later_s = max(LOOK_S_MIN, left_ms / 1_000)
            batch.timer = asyncio.get_running_loop().call_later(later_s, self._tell_slow, batch)
        else:
            batch.slow_told = True
            self.circuit.lasting(began=batch.sent)

    def _ended(self, batch: _Batch) -> None:
        batch.stop_timer()
        in_flight = self.in_flight
        self._batches.discard(batch)
        answers = self._read(batch.call, [question.told for question in batch.questions])
        if len(batch.questions) > 1 and answers[0].status in OUR_FAULT:  # which one it was shows when each goes alone
            for question in batch.questions:
                question.alone = True
            self._collecting += [question for question in batch.questions if not question.answer.done()]
        else:
            if not batch.call.cancelled() or any(question.missed for question in batch.questions):  # else callers left
                self.circuit.answered(answers, began=batch.sent, in_flight=in_flight, slow_told=batch.slow_told)
            for question, answer in zip(batch.questions, answers, strict=True):
                question.settle(answer)
        self._fill_slots()

    def _read(self, call: "asyncio.Future[HopReply]", told: Sequence[Told]) -> list[Answer]:
        """An answer for each question, whatever came of the call, which has ended."""
        if call.cancelled():
            return [Answer(Reason.DEADLINE_EXCEEDED)] * len(told)
        error = call.exception()
        if error is None:
            return read_answers(call.result(), told)
        if isinstance(error, HopUnavailable):
            return [Answer(Reason.INFERENCE_UNAVAILABLE, untouched=error.untouched)] * len(told)
        if isinstance(error, HopError):
            return [Answer(Reason.INFERENCE_INVALID)] * len(told)
        if isinstance(error, Exception):
            self._telemetry.caught("inference_call", error)
        return [Answer(Reason.INTERNAL_ERROR)] * len(told)

    def _ask_spare(self, question: Question) -> None:
        taken = any(batch.holds_slot for batch in self._batches)
        if taken or self.in_flight + len(self._spares) >= SPARE_SHARE_MAX * self.circuit.limit:
            question.settle(Answer(Reason.OVERLOADED))
            return
        batch = self._posted([question])
        self._spares.add(batch)
        batch.call.add_done_callback(lambda _: self._spare_ended(batch))

    def _spare_ended(self, batch: _Batch) -> None:
        self._spares.discard(batch)
        (question,) = batch.questions
        question.settle(*self._read(batch.call, [question.told]))

    async def _probe(self, budget_ms: int) -> Answer:
        """What comes of one cheap question of the kind that requests ask."""
        call = self._hop.post(b"X-Request-Deadline-Ms: %d\r\n" % budget_ms, join_questions([PROBE]))
        try:
            await asyncio.wait([call], timeout=budget_ms / 1_000)
        finally:
            call.cancel()
        await asyncio.wait([call])
        return self._read(call, [None])[0]


def _http_hop(address: Address, settings: GatewaySettings) -> HttpHop:
    return HttpHop(address, RANK_PATH, body_bytes_max=settings.gateway_inference_reply_bytes_max)
