"""One gateway of the simulation: the production application, driven through ASGI, as a process that can be killed."""

import asyncio
from collections.abc import Callable, Mapping
from contextvars import Context
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from evershelf.gateway.app import create_app
from evershelf.gateway.outside import Outside
from evershelf.gateway.parts import figures
from evershelf.gateway.settings import GatewaySettings
from evershelf.simulation.virtual_time import PROCESS, Process, VirtualLoop

ASGI = {"version": "3.0", "spec_version": "2.3"}
App = Callable[[Any, Any, Any], Any]  # ASGI's three arguments
ASK_PATH = "/v1/recommendations"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a client saw: status 0 where the connection broke instead."""

    status: int
    body: bytes
    headers: Mapping[bytes, bytes]
    at_s: float


@dataclass(eq=False)
class _Exchange:
    """One request under way."""

    answer: "asyncio.Future[Answer]"
    gone: "asyncio.Future[None]"
    path: str
    status: int = 0
    headers: Mapping[bytes, bytes] = field(default_factory=dict)
    body: bytearray = field(default_factory=bytearray)


class SimulatedGateway:
    """From `start` until it is killed or has stopped. `wrap` is where a planted bug may sit, around the application."""

    def __init__(
        self, loop: VirtualLoop, settings: GatewaySettings, outside: Outside, *, name: str, wrap: Callable[[App], App]
    ) -> None:
        self._loop = loop
        self.process = Process(name)
        self._context = Context()
        self._context.run(PROCESS.set, self.process)
        self._made = create_app(settings, outside)
        self._app: App = wrap(self._made)
        self._exchanges: dict[_Exchange, None] = {}  # in their order, which a set of objects has none of
        self._to_lifespan: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._started: asyncio.Future[bool] = loop.create_future()
        self._stopped: asyncio.Future[bool] = loop.create_future()
        self._tasks: set[asyncio.Task[None]] = set()
        self.began_s = loop.time()
        self.ready_s: float | None = None
        self.answers_sent = 0

    @property
    def is_up(self) -> bool:
        """Whether it takes connections."""
        return self.ready_s is not None and not self.process.killed and not self._stopped.done()

    async def start(self) -> None:
        """Returns when the application has started; raises nothing: one that fails to start is never up."""
        self._run(self._lifespan())
        self._to_lifespan.put_nowait({"type": "lifespan.startup"})
        if await self._started:
            self.ready_s = self._loop.time()

    async def shut_down(self) -> None:
        """SIGTERM: what is under way is answered, then the application stops in order."""
        self.ready_s = None
        while self._exchanges:
            await asyncio.sleep(0.01)
        self._to_lifespan.put_nowait({"type": "lifespan.shutdown"})
        await self._stopped

    def kill(self) -> None:
        """Kill -9."""
        self._loop.kill(self.process)
        for exchange in list(self._exchanges):
            self._finish(exchange, broken=True)
        for future in (self._started, self._stopped):
            if not future.done():
                future.set_result(False)

    def request(
        self, method: str, path: str, *, query: str = "", headers: Mapping[str, str], body: bytes = b""
    ) -> "asyncio.Future[Answer]":
        """Sends a request; its answer comes at an instant of its own, or is a broken connection."""
        exchange = _Exchange(self._loop.create_future(), self._loop.create_future(), path)
        if not self.is_up:
            self._finish(exchange, broken=True)
            return exchange.answer
        self._exchanges[exchange] = None
        scope = {
            "type": "http", "asgi": ASGI, "http_version": "1.1", "method": method, "scheme": "http",
            "path": path, "raw_path": quote(path).encode(), "query_string": query.encode(), "root_path": "",
            "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
            "client": ("127.0.0.1", 50_000), "server": ("127.0.0.1", 8_080), "state": {},
        }  # fmt: skip
        self._run(self._serve(scope, exchange, body))
        return exchange.answer

    def disconnect(self, answer: "asyncio.Future[Answer]") -> None:
        """The client hangs up."""
        for exchange in self._exchanges:
            if exchange.answer is answer and not exchange.gone.done():
                self._loop.call_soon(_settled, exchange.gone, context=self._context)

    def figures(self) -> Mapping[str, float]:
        """The gauges as a scraper would read them now, without the text."""
        return figures(self._made.state.parts)

    def remains(self) -> list["asyncio.Task[None]"]:
        """Tasks that a killed process left behind: to be buried when nobody looks any more."""
        return list(self._tasks)

    def _run(self, work: Any) -> None:
        task = self._loop.create_task(work, context=self._context.copy())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, scope: dict[str, Any], exchange: _Exchange, body: bytes) -> None:
        sent = False

        async def receive() -> dict[str, Any]:
            nonlocal sent
            if sent:
                await asyncio.shield(exchange.gone)
                return {"type": "http.disconnect"}
            sent = True
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                exchange.status, exchange.headers = message["status"], dict(message["headers"])
            elif message["type"] == "http.response.body":
                exchange.body += message.get("body", b"")
                if not message.get("more_body", False):
                    self._finish(exchange, broken=False)

        try:
            await self._app(scope, receive, send)
        finally:
            self._finish(exchange, broken=True)

    def _finish(self, exchange: _Exchange, *, broken: bool) -> None:
        self._exchanges.pop(exchange, None)
        if not exchange.answer.done():
            status = 0 if broken else exchange.status
            self.answers_sent += exchange.path == ASK_PATH and status == 200
            exchange.answer.set_result(Answer(status, bytes(exchange.body), exchange.headers, self._loop.time()))

    async def _lifespan(self) -> None:
        async def send(message: dict[str, Any]) -> None:
            future = self._started if message["type"].startswith("lifespan.startup") else self._stopped
            if not future.done():
                future.set_result(message["type"].endswith("complete"))

        await self._app({"type": "lifespan", "asgi": ASGI, "state": {}}, self._to_lifespan.get, send)


def _settled(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)
