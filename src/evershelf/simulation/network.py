"""A network inside the virtual loop: connections whose other end is an object of the simulation."""

import asyncio
import socket
from collections.abc import Callable
from contextvars import copy_context
from typing import Protocol

from evershelf.simulation.virtual_time import VirtualLoop

HOP_S = 0.000_2
UNREACHABLE_S = 3_600.0


class Service(Protocol):
    """Who listens at an address."""

    async def admit(self) -> None:
        """Returns when a connection stands; raises ConnectionRefusedError, or never returns."""

    def opened(self, connection: "SimulatedTransport") -> None: ...
    def received(self, connection: "SimulatedTransport", data: bytes) -> None: ...
    def closed(self, connection: "SimulatedTransport") -> None: ...


class SimulatedNetwork:
    """Services by port."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self.services: dict[int, Service] = {}

    async def connect(self, host: str, port: int) -> None:
        """Waits as long as the service's machine lets one wait."""
        await asyncio.sleep(HOP_S)
        service = self.services.get(port)
        if service is None:
            raise ConnectionRefusedError(111, f"nobody listens at {host}:{port}")
        await service.admit()

    def open(
        self, protocol: asyncio.BaseProtocol, address: tuple[str, int], sock: socket.socket | None
    ) -> "SimulatedTransport":
        """The client's end of a connection."""
        return SimulatedTransport(self._loop, protocol, address=address, service=self.services[address[1]], sock=sock)


class SimulatedTransport(asyncio.Transport):
    """Bytes arrive in the order in which they were sent, each way a hop later."""

    def __init__(
        self,
        loop: VirtualLoop,
        protocol: asyncio.BaseProtocol,
        *,
        address: tuple[str, int],
        service: Service,
        sock: socket.socket | None,
    ) -> None:
        super().__init__({"socket": sock, "peername": address})
        self._loop = loop
        self._protocol = protocol
        self._service = service
        self._sock = sock
        self._context = copy_context()  # of the process that connected
        self._closing = False
        self._paused = False
        self._held_back: list[Callable[[], None]] = []
        self._arrives_s = 0.0
        loop.call_soon(protocol.connection_made, self)
        loop.call_soon(service.opened, self, context=loop.world)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Sends to the service."""
        if not self._closing and data:
            self._loop.call_later(HOP_S, self._service.received, self, bytes(data), context=self._loop.world)

    def close(self) -> None:
        """Closes both ends."""
        self._end(None)

    def abort(self) -> None:
        """Closes both ends at once."""
        self._end(None)

    def is_closing(self) -> bool:
        """Whether it is over."""
        return self._closing

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Another receiver from now on."""
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Who receives."""
        return self._protocol

    def is_reading(self) -> bool:
        """Whether what arrives is handed on."""
        return not self._paused and not self._closing

    def pause_reading(self) -> None:
        """What arrives waits."""
        self._paused = True

    def resume_reading(self) -> None:
        """What has waited is handed on."""
        self._paused = False
        while self._held_back and not self._paused:
            self._held_back.pop(0)()

    def get_write_buffer_size(self) -> int:
        """Everything is on its way at once."""
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """No buffer, no limits."""

    def can_write_eof(self) -> bool:
        """Half-closing is not simulated."""
        return False

    # The service's side ------------------------------------------------------------------------------------------

    def send(self, data: bytes, *, after_s: float = 0.0) -> None:
        """Sends to the client, `after_s` from now and after what was sent before."""
        self._arrives_s = max(self._loop.time() + after_s + HOP_S, self._arrives_s)
        self._loop.call_at(self._arrives_s, self._arrive, data, context=self._context)

    def hang_up(self, *, after_s: float = 0.0, reset: bool = False) -> None:
        """Closes the connection from the service's side, after what was sent before."""
        self._arrives_s = max(self._loop.time() + after_s + HOP_S, self._arrives_s)
        error = ConnectionResetError(104, "reset by peer") if reset else None
        self._loop.call_at(self._arrives_s, self._end, error, context=self._context)

    def _arrive(self, data: bytes) -> None:
        if self._closing:
            return
        if self._paused:
            self._held_back.append(lambda: self._hand_on(data))
        else:
            self._hand_on(data)

    def _hand_on(self, data: bytes) -> None:
        assert isinstance(self._protocol, asyncio.Protocol), "only streams are simulated"
        self._protocol.data_received(data)

    def _end(self, error: Exception | None) -> None:
        if self._closing:
            return
        self._closing = True
        self._loop.call_soon(self._protocol.connection_lost, error)
        self._loop.call_later(HOP_S, self._service.closed, self, context=self._loop.world)
        if self._sock is not None:
            self._sock.close()
