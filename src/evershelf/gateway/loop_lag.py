"""How late the event loop runs what is due: an answer that waits for the loop has that much less time."""

import asyncio
import time
from collections.abc import Callable

SAMPLE_S = 0.01
# What is left of a lag one sample later: a pause of 200 ms is forgotten after some 150 ms, a standing lag is not.
KEPT_SHARE = 0.8


class LoopLag:
    """Samples the lag of the loop that `start` runs on. Cheap: a timer of 100 Hz."""

    def __init__(self, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._clock_s = clock_s
        self._peak_s = 0.0
        self._late_s = 0.0
        self._due_s: float | None = None
        self._timer: asyncio.TimerHandle | None = None

    @property
    def lag_ms(self) -> float:
        """The recent worst lag. Who asks right after a pause hears of it, even before the next sample is taken."""
        return max(self._peak_s, self._overdue_s()) * 1_000

    @property
    def attentive_s(self) -> float:
        """Monotonic seconds without those by which the loop was late: what others took of a time, but for our part."""
        return self._clock_s() - self._late_s - self._overdue_s()

    async def start(self) -> None:
        """Begins to sample."""
        self._wait()

    async def close(self) -> None:
        """Samples no more."""
        if self._timer is not None:
            self._timer.cancel()
        self._due_s = None

    def _wait(self) -> None:
        self._due_s = self._clock_s() + SAMPLE_S
        self._timer = asyncio.get_running_loop().call_later(SAMPLE_S, self._sample)

    def _sample(self) -> None:
        late_s = self._overdue_s()
        self._late_s += late_s
        self._peak_s = max(late_s, self._peak_s * KEPT_SHARE)
        self._wait()

    def _overdue_s(self) -> float:
        return 0.0 if self._due_s is None else max(0.0, self._clock_s() - self._due_s)
