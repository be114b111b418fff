"""Admission: knows the load that the gateway carries, and says how much work the next request gets."""

from collections.abc import Mapping

from evershelf.gateway.loop_lag import LoopLag
from evershelf.gateway.settings import GatewaySettings
from evershelf.gateway.telemetry import Telemetry
from evershelf.policy.shedding import PRIORITY_HEADER, Limits, Load, Service, pressure, priority, service


class Admission:
    """Whoever makes a full answer counts it in `in_hand` until it is made."""

    def __init__(self, settings: GatewaySettings, loop_lag: LoopLag, telemetry: Telemetry) -> None:
        self._limits = Limits(settings.gateway_answers_in_hand_max, settings.gateway_loop_lag_ms_max)
        self._loop_lag = loop_lag
        self._telemetry = telemetry
        self.in_hand = 0

    @property
    def pressure(self) -> float:
        """The load at this moment as a share of its limits."""
        return pressure(Load(self.in_hand, self._loop_lag.lag_ms), self._limits)

    def decide(self, headers: Mapping[str, str]) -> Service:
        """The service for a request with these headers (by names in lower case); counted."""
        urgency = priority(headers.get(PRIORITY_HEADER))
        decided = service(urgency, self.pressure)
        self._telemetry.admitted(urgency, decided)
        return decided
