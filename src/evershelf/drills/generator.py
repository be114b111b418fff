"""The open-loop load generator: `python -m evershelf.drills.generator PLAN LOG` sends on schedule, answers or not.

It does nothing but send, frame replies and append them to the log: no parsing, no collector. It prints one line when it
begins (the monotonic time that the schedule counts from) and one when it has ended; SIGTERM ends the schedule early.
"""

import asyncio
import gc
import json
import signal
import sys
import time
from collections import deque
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO, cast

import uvloop

from evershelf.drills.answers import Answer, Mishap, write_answer
from evershelf.drills.plan import Plan, Stream

LOOPBACK = "127.0.0.1"
HEAD_START_S = 0.2
# A server closes connections that idle for seconds; one that has not been used this long is not used again.
IDLE_S_MAX = 2.0
SWEEP_S = 0.01
# What is due within a turn is sent together: uvloop rounds shorter waits to none, and a generator that turns without
# a rest takes a core from what it measures.
TURN_S = 0.001
LOG_BUFFER_BYTES = 4 * 2**20


class LogIncompleteError(Exception):
    """A request was begun whose end was not logged."""


@dataclass(slots=True, eq=False)
class _Request:
    due_s: float
    stream: int
    ask: int
    wire: bytes
    sent_s: float = 0.0
    attempts: int = 0
    last_sent_s: float = 0.0
    connection: "_Connection | None" = None
    is_over: bool = False


class _Connection(asyncio.Protocol):
    """One keep-alive connection that carries one request at a time."""

    def __init__(self, pool: "_Pool") -> None:
        self._pool = pool
        self._received = bytearray()
        self._whole_bytes = 0
        self._head_bytes = 0
        self.transport: asyncio.Transport | None = None
        self.request: _Request | None = None
        self.used_s = 0.0
        self.is_last = False  # the server said that it closes after this answer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but name

    def send(self, request: _Request) -> None:
        assert self.transport is not None
        self.request, request.connection = request, self
        self._received.clear()
        self._whole_bytes = self._head_bytes = 0
        now_s = self.used_s = time.monotonic()
        request.sent_s = request.sent_s or now_s
        request.last_sent_s = now_s
        request.attempts += 1
        self.transport.write(request.wire)

    def data_received(self, data: bytes) -> None:
        self._received += data
        if not self._whole_bytes and not self._frame():
            return
        if len(self._received) >= self._whole_bytes:
            request, self.request = self.request, None
            if request is not None:
                status = int(self._received[9:12])
                self._pool.answered(self, request, status, bytes(self._received[self._head_bytes : self._whole_bytes]))

    def connection_lost(self, _: Exception | None) -> None:
        request, self.request = self.request, None
        self._pool.lost(self, request)

    def abort(self) -> None:
        self.request = None
        if self.transport is not None:
            self.transport.abort()

    def _frame(self) -> bool:
        """Whether the head is here; sets how long the answer is."""
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            return False
        head = bytes(self._received[:end]).lower()
        begin = head.find(b"\r\ncontent-length:")
        length = head[begin + 17 :].split(b"\r\n", 1)[0].strip()
        if begin < 0 or not head.startswith(b"http/1.") or not length.isdigit() or not head[9:12].isdigit():
            request, self.request = self.request, None
            if request is not None:
                self._pool.failed(request, Mishap.UNREADABLE)
            self.abort()
            return False
        self.is_last = b"\r\nconnection: close" in head
        self._head_bytes = end + 4
        self._whole_bytes = self._head_bytes + int(length)
        return True


class _Pool:
    """The connections to one port: the one used last is used next; a new one where none is idle."""

    def __init__(self, sender: "_Sender", port: int, connections_max: int) -> None:
        self._sender = sender
        self._port = port
        self._connections_max = connections_max
        self._idle: list[_Connection] = []
        self._waiting: deque[_Request] = deque()
        self._open = 0
        self._opening: set[asyncio.Task[None]] = set()

    def ask(self, request: _Request) -> None:
        while self._idle:
            connection = self._idle.pop()
            if connection.transport is None or connection.transport.is_closing():
                continue
            if time.monotonic() - connection.used_s > IDLE_S_MAX:
                connection.abort()
                continue
            connection.send(request)
            return
        self._waiting.append(request)
        if self._open < self._connections_max:
            self._open += 1
            task = asyncio.create_task(self._connect())
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)

    def answered(self, connection: _Connection, request: _Request, status: int, body: bytes) -> None:
        if connection.is_last or self._sender.plan.streams[request.stream].fresh_connections:
            connection.abort()
        else:
            self._next(connection)
        self._sender.over(request, status, Mishap.NONE, body)

    def lost(self, connection: _Connection, request: _Request | None) -> None:
        self._open -= 1
        if connection in self._idle:
            self._idle.remove(connection)
        if request is not None:
            self.failed(request, Mishap.RESET)

    def failed(self, request: _Request, mishap: Mishap) -> None:
        self._sender.failed(request, mishap)

    def close(self) -> None:
        for task in self._opening:
            task.cancel()
        while self._idle:
            self._idle.pop().abort()

    def _next(self, connection: _Connection) -> None:
        while self._waiting:
            request = self._waiting.popleft()
            if not request.is_over:
                connection.send(request)
                return
        self._idle.append(connection)

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            _, connection = await loop.create_connection(partial(_Connection, self), LOOPBACK, self._port)
        except OSError:
            self._open -= 1
            if self._waiting:
                self.failed(self._waiting.popleft(), Mishap.REFUSED)
            return
        self._next(connection)


class _Sender:
    """Sends the plan's requests when they are due and logs how each ended."""

    def __init__(self, plan: Plan, log: BinaryIO) -> None:
        self.plan = plan
        self._log = log
        self._schedule = plan.schedule()  # drawn here: for 100,000 requests it takes 50 ms, which no request may wait
        self._pools = {
            (number, port): _Pool(self, port, plan.connections_max)
            for number, stream in enumerate(plan.streams)
            for port in stream.ports
        }
        # Where a stream fails over, each ask goes out to another port under that port's name.
        self._wires = [[ask.wire(f"{LOOPBACK}:{stream.ports[0]}") for ask in stream.asks] for stream in plan.streams]
        self._under_way: dict[_Request, None] = {}
        self._impatient = any(stream.retry_after_ms for stream in plan.streams)
        self._stopping = asyncio.Event()
        self._begun = self._logged = 0

    def stop(self) -> None:
        """No further request is sent; what is under way may still be answered."""
        self._stopping.set()

    async def run(self, began_s: float) -> None:
        """Sends everything, then waits for what is under way, at most `give_up_s`. Raises LogIncompleteError."""
        await self._send(began_s)
        give_up_at_s = time.monotonic() + self.plan.give_up_s
        while self._under_way and time.monotonic() < give_up_at_s:
            await asyncio.sleep(SWEEP_S)
            self._give_up_impatiently()
        for request in list(self._under_way):
            self._end(request, 0, Mishap.NO_ANSWER if request.attempts else Mishap.NO_CONNECTION, b"")
        for pool in self._pools.values():
            pool.close()
        if self._logged != self._begun:
            raise LogIncompleteError(f"of {self._begun} requests {self._begun - self._logged} are not in the log")

    def over(self, request: _Request, status: int, mishap: Mishap, body: bytes) -> None:
        """A request was answered; a server's failure is asked again if its stream does so."""
        if status >= 500 and self._ask_again(request):
            return
        self._end(request, status, mishap, body)

    def failed(self, request: _Request, mishap: Mishap) -> None:
        """A request found no answer."""
        if request.is_over:
            return
        if not request.attempts:
            request.attempts = 1
        if not self._ask_again(request):
            self._end(request, 0, mishap, b"")

    async def _send(self, began_s: float) -> None:
        schedule = self._schedule
        ahead = next(schedule, None)
        while ahead is not None and not self._stopping.is_set():
            now_s = time.monotonic() - began_s
            while ahead is not None and ahead[0] <= now_s:
                due_s, stream, ask = ahead
                self._ask(_Request(began_s + due_s, stream, ask, self._wires[stream][ask]))
                ahead = next(schedule, None)
            if ahead is None:
                return
            wait_s = max(TURN_S, ahead[0] - (time.monotonic() - began_s))
            await asyncio.sleep(min(wait_s, SWEEP_S) if self._impatient else wait_s)
            if self._impatient:
                self._give_up_impatiently()

    def _ask(self, request: _Request) -> None:
        self._begun += 1
        self._under_way[request] = None
        self._pool(request).ask(request)

    def _ask_again(self, request: _Request) -> bool:
        if request.attempts > self.plan.streams[request.stream].retries_max:
            return False
        request.last_sent_s = 0.0  # waits for a connection from now on, and must not be asked a third time meanwhile
        self._pool(request).ask(request)
        return True

    def _pool(self, request: _Request) -> _Pool:
        ports = self.plan.streams[request.stream].ports
        return self._pools[request.stream, ports[request.attempts % len(ports)]]

    def _give_up_impatiently(self) -> None:
        now_s = time.monotonic()
        for request in [each for each in self._under_way if self._is_overdue(each, now_s)]:
            if request.connection is not None:
                request.connection.abort()
            self.failed(request, Mishap.NO_ANSWER)

    def _is_overdue(self, request: _Request, now_s: float) -> bool:
        stream: Stream = self.plan.streams[request.stream]
        return 0 < stream.retry_after_ms / 1_000 < now_s - (request.last_sent_s or now_s)

    def _end(self, request: _Request, status: int, mishap: Mishap, body: bytes) -> None:
        if request.is_over:
            return
        request.is_over = True
        self._under_way.pop(request, None)
        now_s = time.monotonic()
        answer = Answer(
            request.due_s, request.sent_s or now_s, now_s, request.stream, request.ask, status, mishap,
            request.attempts, body,
        )  # fmt: skip
        write_answer(self._log, answer)
        self._logged += 1


async def generate(plan: Plan, log_path: Path) -> None:
    """Sends the plan and writes the log; prints `{"began_s": ...}` before the first request is due."""
    with log_path.open("wb", buffering=LOG_BUFFER_BYTES) as log:
        sender = _Sender(plan, log)
        gc.collect()
        gc.freeze()
        gc.disable()  # a generator that pauses sends bursts, and they would be counted as the gateway's slowness
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, sender.stop)
        began_s = time.monotonic() + HEAD_START_S
        _say({"began_s": began_s})
        await asyncio.sleep(HEAD_START_S)
        await sender.run(began_s)


def _say(fact: dict[str, float]) -> None:
    sys.stdout.write(json.dumps(fact) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Sends the plan named first on the command line; logs into the file named second."""
    plan, log_path = Path(sys.argv[1]), Path(sys.argv[2])
    uvloop.run(generate(Plan.read(plan), log_path))
    _say({"ended_s": time.monotonic()})


if __name__ == "__main__":
    main()
