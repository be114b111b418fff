"""One link of the fault proxy: listens, passes bytes on to a target, bends them as the fault says, counts calls."""

import asyncio
import re
import socket
import struct
import time
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random

from evershelf.drills.link_fault import End, Ending, Exchange, LinkFault, Send, Wait, bend

LOOPBACK = "127.0.0.1"
CHUNK_BYTES = 64 * 1_024
BACKLOG = 1_024
REQUEST_KEPT_BYTES_MAX = 256 * 1_024
CALLS_MAX = 2_000_000
_BUDGET = re.compile(rb"\r\nx-request-deadline-ms: *(\d{1,9})\r\n", re.IGNORECASE)
_ABORT = struct.pack("ii", 1, 0)  # SO_LINGER, zero seconds: closing sends a reset


@dataclass(slots=True)
class Call:
    """One exchange as the proxy saw it. Times are monotonic seconds, which all processes of a machine share."""

    at_s: float
    budget_ms: int | None = None  # what the header said was left
    queries: int = 0
    is_probe: bool = False
    duration_ms: float | None = None  # until the last byte of the reply so far

    def as_row(self) -> list[float | int | bool | None]:
        """The fields in order, for the wire."""
        return [self.at_s, self.budget_ms, self.queries, self.is_probe, self.duration_ms]


@dataclass(slots=True)
class Tally:
    """What the link has seen since it began."""

    connections: int = 0
    struck: int = 0  # exchanges and connections that the fault changed something for
    bytes_replied: int = 0


@dataclass(slots=True, eq=False)
class _Connection:
    caller: asyncio.StreamWriter
    server: asyncio.StreamWriter | None = None
    exchange: Exchange = field(default_factory=Exchange)
    fault: LinkFault | None = None  # the one that `exchange.struck` was drawn for
    call: Call | None = None
    asked: bytearray = field(default_factory=bytearray)
    replied: bool = True  # the next byte from the caller begins an exchange


class Link:
    """A listening port before a target port. `fault` and `target_port` may change at any time."""

    def __init__(self, target_port: int, *, seed: int) -> None:
        self.target_port = target_port
        self.port = 0
        self.tally = Tally()
        self.calls: list[Call] = []
        self._fault = LinkFault()
        self._chance = Random(seed)  # noqa: S311 - a replayable draw is the point
        self._passing = asyncio.Event()
        self._passing.set()
        self._server: asyncio.Server | None = None
        self._held: socket.socket | None = None
        self._connections: dict[asyncio.Task[None], _Connection] = {}
        self._free_at_s = 0.0

    async def start(self) -> None:
        """Listens on a free port."""
        await self._listen(_bound(0))

    async def close(self) -> None:
        """Ends every connection."""
        if self._server is not None:
            self._server.close()
        if self._held is not None:
            self._held.close()
        tasks = list(self._connections)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def become(self, fault: LinkFault) -> None:
        """Puts the link into another condition, for connections that exist and for new ones."""
        self._fault = fault
        if fault.black_hole:
            self._passing.clear()
        else:
            self._passing.set()
        if fault.refuse and self._server is not None:
            self._server.close()
            self._server = None
            self._held = _bound(self.port)  # bound and not listening: refused, and nobody else can take the port
            self.tally.struck += len(self._connections)
            self.cut()
        elif not fault.refuse and self._held is not None:
            held, self._held = self._held, None
            await self._listen(held)

    def cut(self) -> None:
        """Resets every connection; new ones are welcome."""
        for connection in list(self._connections.values()):
            _reset(connection.caller)

    async def _listen(self, listening: socket.socket) -> None:
        self._server = await asyncio.start_server(self._accepted, sock=listening, backlog=BACKLOG, limit=CHUNK_BYTES)
        self.port = listening.getsockname()[1]

    async def _accepted(self, reader: asyncio.StreamReader, caller: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connection = self._connections[task] = _Connection(caller)
        self.tally.connections += 1
        try:
            await self._carry(connection, reader)
        except (OSError, EOFError):
            _reset(caller)
        except asyncio.CancelledError:
            _reset(caller)  # not raised on: asyncio's streams would log it
        finally:
            self._note_call(connection)
            del self._connections[task]
            for writer in (caller, connection.server):
                if writer is not None:
                    writer.close()

    async def _carry(self, connection: _Connection, reader: asyncio.StreamReader) -> None:
        """Waits for the caller to speak, connects on, and passes bytes both ways until either side is done."""
        first = await reader.read(CHUNK_BYTES)
        if not first:
            return
        self._begin(connection, first)
        await self._passing.wait()
        replies, connection.server = await asyncio.open_connection(LOOPBACK, self.target_port, limit=CHUNK_BYTES)
        connection.server.write(first)
        pumps = {
            asyncio.create_task(self._ask_on(connection, reader)),
            asyncio.create_task(self._reply_on(connection, replies)),
        }
        try:
            done, _ = await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            for pump in done:
                pump.result()
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)

    async def _ask_on(self, connection: _Connection, reader: asyncio.StreamReader) -> None:
        assert connection.server is not None
        while data := await reader.read(CHUNK_BYTES):
            self._begin(connection, data)
            await self._passing.wait()
            await _pass_on(connection.server, data)

    async def _reply_on(self, connection: _Connection, replies: asyncio.StreamReader) -> None:
        while data := await replies.read(CHUNK_BYTES):
            self._draw(connection)
            for step in bend(self._fault, connection.exchange, data, self._chance):
                match step:
                    case Wait(seconds):
                        await asyncio.sleep(seconds)
                    case Send(passed):
                        await self._passing.wait()
                        await self._slow_down(len(passed), connection)
                        await _pass_on(connection.caller, passed)
                        self.tally.bytes_replied += len(passed)
                        connection.replied = True
                        _mark_reply(connection.call)
                    case End(ending):
                        await _end(connection, ending)
                        return

    def _begin(self, connection: _Connection, data: bytes) -> None:
        """Notes what a caller sends; after a reply it begins a new exchange."""
        if connection.replied:
            self._note_call(connection)
            connection.call = Call(time.monotonic())
            connection.exchange, connection.fault, connection.replied = Exchange(), None, False
            connection.asked.clear()
            self._draw(connection)
        if len(connection.asked) < REQUEST_KEPT_BYTES_MAX:
            connection.asked += data

    def _draw(self, connection: _Connection) -> None:
        """Decides, once for an exchange and a fault, whether it is struck."""
        if connection.fault is self._fault:
            return
        connection.fault = self._fault
        struck = not self._fault.is_none and self._chance.random() < self._fault.share
        connection.exchange.struck = struck
        self.tally.struck += struck

    def _note_call(self, connection: _Connection) -> None:
        call, connection.call = connection.call, None
        if call is None or len(self.calls) >= CALLS_MAX:
            return
        asked = bytes(connection.asked)
        found = _BUDGET.search(asked)
        call.budget_ms = int(found[1]) if found else None
        call.queries = asked.count(b'"history":')
        call.is_probe = b'"history":[]' in asked and call.queries == 1
        self.calls.append(call)

    def pending(self) -> list[Call]:
        """Calls whose connection has not moved on yet: asked, perhaps never answered."""
        for connection in self._connections.values():
            self._note_call(connection)
        return self.calls

    async def _slow_down(self, size_bytes: int, connection: _Connection) -> None:
        rate = self._fault.rate_bytes_per_s
        if not rate or not connection.exchange.struck:
            return
        now_s = time.monotonic()
        self._free_at_s = max(now_s, self._free_at_s) + size_bytes / rate
        await asyncio.sleep(self._free_at_s - now_s)


def _mark_reply(call: Call | None) -> None:
    if call is not None:
        call.duration_ms = (time.monotonic() - call.at_s) * 1_000


async def _pass_on(writer: asyncio.StreamWriter, data: bytes) -> None:
    if writer.transport.is_closing():  # it was reset while the bytes were held back
        raise ConnectionResetError
    writer.write(data)
    await writer.drain()


async def _end(connection: _Connection, ending: Ending) -> None:
    match ending:
        case Ending.RESET:
            _reset(connection.caller)
        case Ending.CUT:
            connection.caller.close()
        case Ending.HALF_CLOSE:
            with suppress(OSError):
                connection.caller.write_eof()
            await asyncio.Event().wait()  # until the caller closes too
        case Ending.STALL:
            await asyncio.Event().wait()


def _reset(writer: asyncio.StreamWriter) -> None:
    listening = writer.get_extra_info("socket")
    if listening is not None and not writer.transport.is_closing():
        with suppress(OSError):
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)
    writer.transport.abort()


def _bound(port: int) -> socket.socket:
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind((LOOPBACK, port))
    return bound
