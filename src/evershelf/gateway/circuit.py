"""One replica's health as its calls teach it: whether it may be asked, how much at once, and how long that takes.

The breaker decides whether, the adaptive limiter how much, the times of the last calls how long. Probes are made here,
off the path of any request.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

import structlog

from evershelf.contracts.health import DependencyState, ReplicaHealth
from evershelf.contracts.recommendations import Reason
from evershelf.gateway.loop_lag import LoopLag
from evershelf.gateway.outside import Outside
from evershelf.gateway.rank_wire import Answer
from evershelf.gateway.settings import GatewaySettings
from evershelf.gateway.telemetry import Telemetry
from evershelf.policy import breaker
from evershelf.policy.breaker import Breaker, Call, Limits, State
from evershelf.policy.call_time import CallTime, judge, observed, p50_ms
from evershelf.policy.limiter import Bounds, Limiter, after_answers, after_congestion

POLL_S = 0.05
OUR_FAULT = frozenset({400, 413, 422})
BUSY = frozenset({429, 503})
log = structlog.get_logger()


class Moment(NamedTuple):
    """When a call began: in monotonic seconds, and in those during which our event loop was on time."""

    at_s: float
    attentive_s: float


class Circuit:
    """`probe` asks the replica one cheap question, within the milliseconds given, and says what came of it."""

    def __init__(
        self,
        name: str,
        probe: Callable[[int], Awaitable[Answer]],
        settings: GatewaySettings,
        telemetry: Telemetry,
        *,
        loop_lag: LoopLag,
        outside: Outside,
    ) -> None:
        self._name = name
        self._probe = probe
        self._settings = settings
        self._telemetry = telemetry
        self._loop_lag = loop_lag
        self._clock, self._random = outside.clock, outside.random
        self._limits = Limits()
        self._breaker = Breaker()
        self._bounds = Bounds(settings.gateway_inference_concurrency_min, settings.gateway_inference_concurrency_max)
        self._limiter = Limiter(float(self._bounds.limit_max))
        self._times = CallTime()
        self._seen = DependencyState.UNKNOWN
        self._since_s: float | None = None
        self._probing: asyncio.Task[None] | None = None

    @property
    def state(self) -> State:
        """Whether calls go through."""
        return self._breaker.state

    @property
    def limit(self) -> float:
        """How many questions the replica may have in hand."""
        return self._limiter.limit

    @property
    def p50_ms(self) -> float:
        """What a call usually takes; 0 while nothing is known."""
        return p50_ms(self._times, now_s=self._clock.monotonic_s())

    def admits(self) -> bool:
        """Whether this call may be made."""
        now_s, chance = self._clock.monotonic_s(), self._random.random()
        return breaker.admits(self._breaker, self._limits, now_s=now_s, chance=chance)

    def health(self, in_flight: int) -> ReplicaHealth:
        """What stands at /dependencies."""
        return ReplicaHealth(
            name=self._name,
            state=self._seen,
            since_s=self._since_s,
            circuit=self.state,
            limit=int(self.limit),
            in_flight=in_flight,
            p50_ms=round(self.p50_ms, 3),
        )

    def moment(self) -> Moment:
        """Now."""
        return Moment(self._clock.monotonic_s(), self._loop_lag.attentive_s)

    def taken_ms(self, began: Moment) -> float:
        """How long the replica has taken since then: what our own event loop was late is no fault of it."""
        return (self._loop_lag.attentive_s - began.attentive_s) * 1_000

    def answered(self, answers: Sequence[Answer], *, began: Moment, in_flight: int, slow_told: bool) -> None:
        """A call has ended, with an answer for each of its questions; `in_flight` were in hand, these included."""
        now_s = self._clock.monotonic_s()
        worst = next((answer for answer in answers if answer.trouble is not None), answers[0])
        if worst.status in BUSY and worst.trouble is not Reason.NO_MODEL:
            self.congested()
        if worst.trouble is None:
            self._times = observed(self._times, (now_s - began.at_s) * 1_000, now_s=now_s)
            self._limiter = after_answers(self._limiter, self._bounds, answers=len(answers), in_flight=in_flight)
        call = Call.IGNORED if worst.status in OUR_FAULT | BUSY else self._judged(worst.trouble, self.taken_ms(began))
        if not (slow_told and call is Call.SLOW):
            self._record(call, began)
        self._see(DependencyState.UP if worst.trouble is None else DependencyState.DOWN)

    def lasting(self, *, began: Moment) -> None:
        """A call is slow, which counts while it lasts: a frozen process is found out before the longest deadline."""
        self._record(Call.SLOW, began)

    def missed(self, *, asked_s: float) -> None:
        """A question's deadline came before its answer."""
        elapsed_ms = (self._clock.monotonic_s() - asked_s) * 1_000
        if self._judged(Reason.DEADLINE_EXCEEDED, elapsed_ms) is not Call.IGNORED:
            self.congested()

    def congested(self) -> None:
        """Too much is in hand."""
        self._limiter = after_congestion(self._limiter, self._bounds, now_s=self._clock.monotonic_s())

    async def start(self) -> None:
        """Begins to look out for probes that are due."""
        self._probing = asyncio.create_task(self._send_probes())

    async def close(self) -> None:
        """Ends the probing."""
        if self._probing is not None:
            self._probing.cancel()
            await asyncio.gather(self._probing, return_exceptions=True)

    async def _send_probes(self) -> None:
        while True:
            await asyncio.sleep(POLL_S)
            probing = breaker.begin_probe(self._breaker, self._limits, now_s=self._clock.monotonic_s())
            if probing is not None:
                self._become(probing)
                good, now_s = await self._is_well(), self._clock.monotonic_s()
                self._become(breaker.end_probe(self._breaker, self._limits, good=good, now_s=now_s))

    async def _is_well(self) -> bool:
        """Well is who answers a probe soundly and not slowly."""
        began = self.moment()
        try:
            answer = await self._probe(self._settings.gateway_inference_probe_ms)
        except Exception as error:  # noqa: BLE001 - the source boundary: no bug may end the probing
            self._telemetry.caught("inference_probe", error)
            return False
        well = self._judged(answer.trouble, self.taken_ms(began)) is Call.GOOD
        self._see(DependencyState.UP if well else DependencyState.DOWN)
        return well

    def _judged(self, trouble: Reason | None, elapsed_ms: float) -> Call:
        return judge(
            trouble or Reason.PERSONALIZED,
            elapsed_ms=elapsed_ms,
            p50_ms=self.p50_ms,
            slow_ms=self._settings.gateway_inference_slow_ms,
            patience_ms=self._settings.gateway_inference_patience_ms,
        )

    def _record(self, call: Call, began: Moment) -> None:
        now_s = self._clock.monotonic_s()
        self._become(breaker.record(self._breaker, call, self._limits, began_s=began.at_s, now_s=now_s))

    def _become(self, after: Breaker) -> None:
        if after.state is not self._breaker.state:
            log.info("circuit_changed", dependency=f"inference {self._name}", state=after.state)
        self._breaker = after

    def _see(self, state: DependencyState) -> None:
        if state is not self._seen:
            self._seen, self._since_s = state, self._clock.unix_s()
