"""Admission: knows the load that the gateway carries, and says how much work the next request gets."""

from collections.abc import Mapping

from evershelf.gateway.loop_lag import LoopLag
from evershelf.gateway.outside import Outside
from evershelf.gateway.settings import GatewaySettings
from evershelf.gateway.telemetry import Telemetry
from evershelf.policy.limiter import Bounds, Limiter, after_answers, after_congestion
from evershelf.policy.shedding import (
    PRIORITY_HEADER,
    Limits,
    Load,
    Service,
    is_congested,
    pause_s,
    pressure,
    priority,
    service,
)

# Never fewer: what one turn of the event loop can make well within every deadline.
IN_HAND_MIN = 16


class Admission:
    """The answers in hand, and an adaptive limit to them: signs of congestion lower it, good answers raise it."""

    def __init__(self, settings: GatewaySettings, loop_lag: LoopLag, telemetry: Telemetry, outside: Outside) -> None:
        in_hand_max = settings.gateway_answers_in_hand_max
        self._bounds = Bounds(min(IN_HAND_MIN, in_hand_max), in_hand_max)
        self._limiter = Limiter(float(in_hand_max))
        self._lag_ms_max = settings.gateway_loop_lag_ms_max
        self._loop_lag = loop_lag
        self._telemetry = telemetry
        self._clock, self._random = outside.clock, outside.random
        self.in_hand = 0

    @property
    def limit(self) -> float:
        """How many full answers may be in hand."""
        return self._limiter.limit

    @property
    def pressure(self) -> float:
        """The load at this moment as a share of its limits."""
        return pressure(Load(self.in_hand, self._loop_lag.lag_ms), Limits(self.limit, self._lag_ms_max))

    def decide(self, headers: Mapping[str, str]) -> Service:
        """The service for a request with these headers (by names in lower case); counted.

        Whoever is given a full one is in hand until `done` is called for it.
        """
        urgency = priority(headers.get(PRIORITY_HEADER))
        decided = service(urgency, self.pressure)
        self._telemetry.admitted(urgency, decided)
        if decided is Service.FULL:
            self.in_hand += 1
        return decided

    def pause_s(self, headers: Mapping[str, str]) -> float:
        """How long, after a shed answer, the connection of a question with these headers shall not be read; or 0."""
        urgency = priority(headers.get(PRIORITY_HEADER))
        return pause_s(urgency, self._loop_lag.lag_ms, self._lag_ms_max, chance=self._random.random())

    def done(self, *, refused: bool = False) -> None:
        """An answer is made, or given up; `refused` where there was no room to ask the model."""
        in_hand, self.in_hand = self.in_hand, self.in_hand - 1
        if is_congested(self._loop_lag.lag_ms, self._lag_ms_max, refused=refused):
            self._limiter = after_congestion(self._limiter, self._bounds, now_s=self._clock.monotonic_s())
        else:
            self._limiter = after_answers(self._limiter, self._bounds, answers=1, in_flight=in_hand)
