"""The breaker at work: keeps its state for one dependency and sends the probes, off the path of any request."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from evershelf.gateway.outside import Outside
from evershelf.policy.breaker import (
    Breaker,
    Call,
    Limits,
    State,
    admits,
    begin_probe,
    end_probe,
    forced_open,
    record,
    release,
)

POLL_S = 0.05
log = structlog.get_logger()


class Circuit:
    """One dependency's breaker. `probe` asks the dependency once and says whether it answered well; it never raises."""

    def __init__(self, name: str, probe: Callable[[], Awaitable[bool]], limits: Limits, *, outside: Outside) -> None:
        self._name = name
        self._probe = probe
        self._limits = limits
        self._breaker = Breaker()
        self._clock, self._random = outside.clock, outside.random
        self._probing: asyncio.Task[None] | None = None

    @property
    def state(self) -> State:
        """Whether calls go through."""
        return self._breaker.state

    def admits(self) -> bool:
        """Whether this call may be made."""
        return admits(self._breaker, self._limits, now_s=self._clock.monotonic_s(), chance=self._random.random())

    def record(self, call: Call, *, began_s: float) -> None:
        """Tells how a call ended that was begun at `began_s`."""
        self._become(record(self._breaker, call, self._limits, began_s=began_s, now_s=self._clock.monotonic_s()))

    def switch_off(self, seconds: float) -> None:
        """Lets nothing through for so long, as an operator wishes; then a probe decides."""
        self._become(forced_open(now_s=self._clock.monotonic_s(), seconds=seconds))

    def switch_on(self) -> None:
        """Ends `switch_off` early: probes decide from now on."""
        self._become(release(self._breaker, now_s=self._clock.monotonic_s()))

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
            probing = begin_probe(self._breaker, self._limits, now_s=self._clock.monotonic_s())
            if probing is not None:
                self._become(probing)
                good = await self._probe()
                self._become(end_probe(self._breaker, self._limits, good=good, now_s=self._clock.monotonic_s()))

    def _become(self, breaker: Breaker) -> None:
        if breaker.state is not self._breaker.state:
            log.info("circuit_changed", dependency=self._name, state=breaker.state)
        self._breaker = breaker
