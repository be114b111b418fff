"""An event loop without a clock, sockets or threads: when nothing is ready, time jumps to the next timer.

Everything runs in one thread in an order that only the program decides, so the same program does the same again.
(Models: FoundationDB's simulator, Zhou et al., SIGMOD 2021, section 4; TigerBeetle's VOPR.)
"""

import asyncio
import heapq
import socket
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor
from contextvars import Context, ContextVar, copy_context
from dataclasses import dataclass, field
from itertools import count
from typing import Any, ParamSpec, Protocol, TypeVar

P = ParamSpec("P")
T = TypeVar("T")
START_S = 1_000.0
# More callbacks at one instant than this are a loop that never waits: a bug in what is simulated.
CALLBACKS_AT_AN_INSTANT_MAX = 200_000


class StuckError(Exception):
    """Nothing is ready and no timer is set, or time has stopped: what is simulated waits for what will never come."""


@dataclass(slots=True, eq=False)
class Process:
    """Whoever runs on the loop: a killed one never runs again, a stopped one not until it goes on."""

    name: str
    killed: bool = False
    stopped: bool = False
    parked: "list[_Handle]" = field(default_factory=list)


PROCESS: ContextVar[Process | None] = ContextVar("process", default=None)


class Network(Protocol):
    """Where connections of the loop lead to."""

    async def connect(self, host: str, port: int) -> None: ...
    def open(
        self, protocol: asyncio.BaseProtocol, address: tuple[str, int], sock: socket.socket | None
    ) -> asyncio.Transport: ...


class _Handle(asyncio.TimerHandle):
    """A callback that is due, now or later. It is made hundreds of times a virtual second: hence without debugging."""

    def __init__(  # the parent's does the same and asks the loop three times about debugging
        self, due: tuple[float, Callable[..., object], Any], loop: asyncio.AbstractEventLoop, context: Context | None
    ) -> None:
        self._when, self._callback, self._args = due
        self._context = context if context is not None else copy_context()
        self._loop = loop
        self._cancelled = self._scheduled = False
        self._repr = self._source_traceback = None

    def run(self) -> None:
        """As the parent's `_run`."""
        try:
            self._context.run(self._callback, *self._args)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:  # noqa: BLE001 - whatever a callback meets is for the loop's exception handler
            told = {"message": f"Exception in callback {self._callback!r}", "exception": error, "handle": self}
            self._loop.call_exception_handler(told)

    def cancel(self) -> None:
        """It never runs, and holds on to nothing."""
        self._cancelled = True
        self._callback = _nothing
        self._args = ()


class VirtualLoop(asyncio.BaseEventLoop):
    """`thread_delays_s` says how long a call on a thread takes: (until it does its work, until that is known)."""

    _ready: "deque[_Handle]"

    def __init__(self) -> None:
        super().__init__()
        self._now_s = START_S
        self._at_this_instant = 0
        self._timers: list[tuple[float, int, _Handle]] = []
        self._set = count()
        self._targets: dict[int, tuple[str, int]] = {}
        self.network: Network | None = None
        self.thread_delays_s: Callable[[Executor | None], tuple[float, float]] = lambda _: (0.0, 0.0)
        self.world = Context()  # in which nobody's process is set

    def time(self) -> float:
        """Virtual seconds."""
        return self._now_s

    def stall(self, seconds: float) -> None:
        """Lets time pass while nothing runs: the event loop was blocked."""
        self._now_s += seconds

    def kill(self, process: Process) -> None:
        """Nothing of the process runs any more, not even what would tidy up: kill -9."""
        process.killed = True

    def bury(self, process: Process) -> None:
        """A killed process may tidy up after all: what was due since runs now, that no coroutine be left half run."""
        process.killed = False
        self.thaw(process)

    def freeze(self, process: Process) -> None:
        """SIGSTOP."""
        process.stopped = True

    def thaw(self, process: Process) -> None:
        """SIGCONT: what was due meanwhile runs now, in its order."""
        process.stopped = False
        if process.killed:
            return
        parked, process.parked = process.parked, []
        self._ready.extend(parked)

    def run_in_executor(  # type: ignore[override]  # asyncio's own stub returns a Future of the same kind
        self, executor: Executor | None, func: Callable[..., T], *args: Any
    ) -> "asyncio.Future[T]":
        """Runs the call on this thread, a while later; its outcome is known another while later."""
        future: asyncio.Future[T] = self.create_future()
        work_s, known_s = self.thread_delays_s(executor)
        self.call_later(work_s, self._run_call, future, known_s, func, *args)
        return future

    def _run_call(self, future: "asyncio.Future[T]", known_s: float, func: Callable[..., T], *args: Any) -> None:
        try:
            outcome = func(*args)
        except Exception as error:  # noqa: BLE001 - an executor hands on whatever it meets
            self.call_later(known_s, _settle, future, None, error)
        else:
            self.call_later(known_s, _settle, future, outcome, None)

    async def sock_connect(self, sock: socket.socket, address: Any) -> None:
        """Connects to a simulated service; raises what a real one would let happen."""
        assert self.network is not None, "the world has no network"
        host, port = address[:2]
        await self.network.connect(host, port)
        self._targets[sock.fileno()] = (host, port)

    async def create_connection(  # type: ignore[override]  # the many options of real sockets are left out
        self,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        host: str | None = None,
        port: int | None = None,
        *,
        sock: socket.socket | None = None,
        **_: Any,
    ) -> tuple[asyncio.Transport, asyncio.BaseProtocol]:
        """A transport to a simulated service, on a socket that `sock_connect` has seen or to a host and port."""
        assert self.network is not None, "the world has no network"
        if sock is not None:
            address = self._targets.pop(sock.fileno())
        else:
            assert host is not None and port is not None, "where to?"  # noqa: PT018 - one fact
            address = (host, port)
            await self.network.connect(*address)
        protocol = protocol_factory()
        transport = self.network.open(protocol, address, sock)
        await asyncio.sleep(0)  # as with real loops, the protocol knows its transport by now
        return transport, protocol

    def call_soon(  # type: ignore[override]  # typeshed ties arguments to the callback
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        """As asyncio's loop."""
        handle = _Handle((self._now_s, callback, args), self, context)
        self._ready.append(handle)
        return handle

    def call_later(  # type: ignore[override]  # typeshed ties arguments to the callback
        self, delay: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """As asyncio's loop, with timers of the same instant in the order in which they were set."""
        when = self._now_s + delay
        handle = _Handle((when, callback, args), self, context)
        heapq.heappush(self._timers, (when, next(self._set), handle))
        return handle

    def call_at(  # type: ignore[override]  # as above
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """As `call_later`."""
        handle = _Handle((when, callback, args), self, context)
        heapq.heappush(self._timers, (when, next(self._set), handle))
        return handle

    def _run_once(self) -> None:
        # Half of a run is spent here and in what is called from here: hence no call that can be spared.
        ready, timers = self._ready, self._timers
        if not ready:
            self._jump()
        while timers and timers[0][0] <= self._now_s:
            ready.append(heapq.heappop(timers)[2])
        self._at_this_instant += len(ready)
        if self._at_this_instant > CALLBACKS_AT_AN_INSTANT_MAX:
            raise StuckError(f"time stands still at {self._now_s:.3f} s")
        for _ in range(len(ready)):
            handle = ready.popleft()
            if handle._cancelled:  # noqa: SLF001 - as asyncio's own loop does
                continue
            process: Process | None = handle._context.get(PROCESS)  # noqa: SLF001
            if process is None or not (process.killed or process.stopped):
                handle.run()
            else:
                process.parked.append(handle)

    def _jump(self) -> None:
        timers = self._timers
        while timers and timers[0][2].cancelled():
            heapq.heappop(timers)
        if not timers:
            raise StuckError(f"nothing is left to wait for at {self._now_s:.3f} s")
        if timers[0][0] > self._now_s:
            self._now_s, self._at_this_instant = timers[0][0], 0

    def _write_to_self(self) -> None:
        """Wakes nobody: there is no other thread."""


def _nothing() -> None:
    """What a cancelled callback would do."""


def _settle(future: "asyncio.Future[T]", outcome: T, error: Exception | None) -> None:
    if future.done():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(outcome)
