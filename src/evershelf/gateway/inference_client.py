"""The one place that calls inference: a history in, a `ModelReply` out, whatever inference does."""

import asyncio
from collections.abc import Callable, Sequence

from evershelf.contracts.events import EventType
from evershelf.contracts.health import DependencyState, ReplicaHealth
from evershelf.contracts.recommendations import Reason
from evershelf.gateway.hop import Address, Hop, HttpHop
from evershelf.gateway.outside import Outside
from evershelf.gateway.rank_wire import RANK_PATH, Answer, encode_question
from evershelf.gateway.replica import Question, Replica
from evershelf.gateway.settings import GatewaySettings
from evershelf.gateway.telemetry import Telemetry
from evershelf.policy.breaker import State
from evershelf.policy.compose import ModelReply
from evershelf.policy.retries import RetryBudget, after_call, spend


class InferenceClient:
    """All replicas of inference. `rank` never raises for what inference or the network do: it says what came."""

    def __init__(
        self,
        settings: GatewaySettings,
        telemetry: Telemetry,
        *,
        outside: Outside,
        open_hop: Callable[[Address, GatewaySettings], Hop] | None = None,
    ) -> None:
        self._settings = settings
        self._telemetry = telemetry
        self._clock_s = outside.clock.monotonic_s
        self._random = outside.random
        addresses = [Address.of(url.strip()) for url in settings.inference_url.split(",")]
        self._replicas = [
            Replica(str(address), (open_hop or _http_hop)(address, settings), settings, telemetry, outside=outside)
            for address in addresses
        ]
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
        states = {replica.health().state for replica in self._replicas}
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
        return [replica.health() for replica in self._replicas]

    def switch_off(self, seconds: float) -> None:
        """The kill switch: no replica is asked for so long, every answer is a baseline; then probes decide.

        For rehearsals (guarantee G24) and for emergencies. It ends by itself; there is no switch without an end.
        """
        for replica in self._replicas:
            replica.circuit.switch_off(seconds)

    def switch_on(self) -> None:
        """Ends `switch_off` early: replicas that answer a probe well get their load back by doubling."""
        for replica in self._replicas:
            replica.circuit.switch_on()

    async def rank(
        self,
        history: Sequence[tuple[str, EventType, float]],
        *,
        k: int,
        exclude: Sequence[str],
        evidence: bool,
        answered: Reason,
        remaining_ms: float,
        model: str | None = None,
    ) -> ModelReply:
        """Asks for `k` items within `remaining_ms`; `answered` is the outcome to give to a sound answer.

        `history` is (item, event type, age in s), newest first; `evidence` whether the answer shall say why; `model`
        the alias or version that shall answer, the champion by default.
        """
        began_s = self._clock_s()
        deadline_s, told = began_s + remaining_ms / 1_000, frozenset(item_id for item_id, _, _ in history)
        body = encode_question(history, k=k, exclude=exclude)
        self._retries = after_call(self._retries)
        asked, answer = await self._ask(Question(body, told, evidence, model, began_s, deadline_s), self._replicas)
        if answer.untouched and len(self._replicas) > 1 and (retries := spend(self._retries)) is not None:
            self._retries = retries
            others = [replica for replica in self._replicas if replica is not asked]
            _, answer = await self._ask(Question(body, told, evidence, model, self._clock_s(), deadline_s), others)
        elapsed_s, outcome = self._clock_s() - began_s, answer.trouble or answered
        self._telemetry.inference_called(outcome, elapsed_s)
        return ModelReply(outcome, elapsed_s * 1_000, answer.ranking, answer.model_version)

    async def _ask(self, question: Question, replicas: Sequence[Replica]) -> tuple[Replica | None, Answer]:
        """Asks the least busy of the replicas that take calls, and waits until the deadline, never past it."""
        admitted = [replica for replica in replicas if replica.circuit.admits()]
        if not admitted:
            return None, Answer(Reason.CIRCUIT_OPEN)
        replica = min(admitted, key=lambda each: (each.in_flight, self._random.random()))
        remaining_s = question.deadline_s - self._clock_s()
        if remaining_s * 1_000 < max(replica.p50_ms, self._settings.gateway_inference_budget_ms_min):
            return replica, Answer(Reason.BUDGET_TOO_SMALL)
        replica.ask(question)
        try:
            await asyncio.wait([question.answer], timeout=remaining_s)
        except asyncio.CancelledError:  # the caller hung up
            replica.leave(question, missed=False)
            raise
        if not question.answer.done():
            replica.leave(question, missed=True)
            return replica, Answer(Reason.DEADLINE_EXCEEDED)
        return replica, question.answer.result()


def _http_hop(address: Address, settings: GatewaySettings) -> HttpHop:
    return HttpHop(address, RANK_PATH, body_bytes_max=settings.gateway_inference_reply_bytes_max)
