"""The hop to one inference process: one question at a time on each kept HTTP/1.1 connection; lean, strict and bounded.

    HopError
    ├── HopUnavailable   refused, reset, gone before the head of an answer was whole
    └── HopInvalid       not HTTP, too long, compressed, or cut short

Written for this one use, because a general client costs several times the CPU (docs/decisions). It follows no redirect,
keeps no cookie, inflates nothing. Sockets and timers come from the event loop.
"""

import asyncio
import ssl
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol, cast
from urllib.parse import urlsplit

import httptools

HEAD_BYTES_MAX = 16 * 1_024
# Chunked answers carry more than their body; at this many bytes on the wire for each one of body it is a trick.
WIRE_BYTES_PER_BODY_BYTE_MAX = 2
CONNECTIONS_IDLE_MAX = 16
# Shorter than inference keeps an idle connection open, so that no question meets a closing door.
IDLE_S_MAX = 30.0


class HopError(Exception):
    """No answer came that can be used."""


class HopUnavailable(HopError):  # noqa: N818 - a state, not an error of ours
    """The other side is not there. `untouched` when not one byte of an answer came: asking elsewhere is safe."""

    def __init__(self, message: str, *, untouched: bool) -> None:
        super().__init__(message)
        self.untouched = untouched


class HopInvalid(HopError):  # noqa: N818 - a state, not an error of ours
    """What came breaks HTTP or a bound."""


@dataclass(frozen=True, slots=True)
class HopReply:
    """A whole answer."""

    status: int
    body: bytes


class Hop(Protocol):
    """What a replica needs of a connection pool."""

    def post(self, headers: bytes, body: bytes) -> "asyncio.Future[HopReply]":
        """Sends a rank request, with whole header lines in `headers`; whoever cancels the future ends the call.

        The future may raise HopError. It has no time limit of its own.
        """

    async def close(self) -> None:
        """Ends every call and closes every connection."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where inference listens: `http://host:port/prefix`, `https://...` or `unix:/path/of/socket`."""

    host: str
    port: int
    path: str
    tls: bool
    socket: str | None

    @classmethod
    def of(cls, url: str) -> "Address":
        """The address that `url` names. Raises ValueError."""
        parts = urlsplit(url)
        if parts.scheme == "unix" and parts.path:
            return cls("localhost", 0, "", tls=False, socket=parts.path)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError(f"not an address of inference: {url!r}")
        tls = parts.scheme == "https"
        return cls(parts.hostname, parts.port or (443 if tls else 80), parts.path.rstrip("/"), tls=tls, socket=None)

    def __str__(self) -> str:
        """For people: no scheme, no credentials."""
        return self.socket or f"{self.host}:{self.port}"


class HttpHop:
    """Kept connections to one address."""

    def __init__(self, address: Address, path: str, *, body_bytes_max: int) -> None:
        self._address = address
        self._tls = ssl.create_default_context() if address.tls else None
        self.body_bytes_max = body_bytes_max
        self._head = (
            f"POST {address.path}{path} HTTP/1.1\r\nHost: {address.host}:{address.port}\r\n"
            "Content-Type: application/json\r\nAccept-Encoding: identity\r\nContent-Length: "
        ).encode()
        self.idle: list[_Connection] = []
        self.open: set[_Connection] = set()
        self._connecting: set[asyncio.Task[None]] = set()

    def post(self, headers: bytes, body: bytes) -> "asyncio.Future[HopReply]":
        """See Hop."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[HopReply] = loop.create_future()
        question = b"%b%d\r\n%b\r\n%b" % (self._head, len(body), headers, body)
        while self.idle:
            connection = self.idle.pop()
            if connection.usable(loop.time()):
                connection.ask(question, answer)
                return answer
        connecting = loop.create_task(self._ask_anew(question, answer))
        self._connecting.add(connecting)
        connecting.add_done_callback(lambda _: self._connected(connecting, answer))
        answer.add_done_callback(lambda _: connecting.cancel())
        return answer

    async def close(self) -> None:
        """See Hop."""
        for connecting in list(self._connecting):
            connecting.cancel()
        for connection in list(self.open):
            connection.abort()
        await asyncio.sleep(0)  # lets the transports say goodbye while the loop still runs

    def _connected(self, connecting: "asyncio.Task[None]", answer: "asyncio.Future[HopReply]") -> None:
        self._connecting.discard(connecting)
        if not connecting.cancelled() and (bug := connecting.exception()) is not None and not answer.done():
            answer.set_exception(bug)

    async def _ask_anew(self, question: bytes, answer: "asyncio.Future[HopReply]") -> None:
        loop, address = asyncio.get_running_loop(), self._address
        try:
            if address.socket is not None:
                _, connection = await loop.create_unix_connection(lambda: _Connection(self), address.socket)
            else:
                _, connection = await loop.create_connection(
                    lambda: _Connection(self), address.host, address.port, ssl=self._tls
                )
        except OSError as error:
            if not answer.done():
                answer.set_exception(HopUnavailable(f"no connection: {type(error).__name__}", untouched=True))
            return
        connection.ask(question, answer)


class _Connection(asyncio.Protocol):
    """One connection: idle, or with one question out. httptools calls the `on_` methods while it parses."""

    def __init__(self, hop: HttpHop) -> None:
        self._hop = hop
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._answer: asyncio.Future[HopReply] | None = None
        self._idle_since_s = 0.0
        self._begin()

    def _begin(self) -> None:
        self._wire_bytes, self._body = 0, bytearray()
        self._headed = self._complete = self._keep = False

    def usable(self, now_s: float) -> bool:
        """Whether a question may go out on it; one that waited too long is closed."""
        assert self._transport is not None
        fresh = now_s - self._idle_since_s <= IDLE_S_MAX
        if not fresh:
            self._transport.close()
        return fresh and not self._transport.is_closing()

    def ask(self, question: bytes, answer: "asyncio.Future[HopReply]") -> None:
        """Sends the question; what comes of it goes to `answer`."""
        assert self._transport is not None
        assert self._answer is None
        self._begin()
        self._answer = answer
        answer.add_done_callback(self._given_up)
        self._transport.write(question)

    def abort(self) -> None:
        """Closes at once."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Asyncio: the connection stands."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but its bases
        self._hop.open.add(self)

    def data_received(self, data: bytes) -> None:
        """Asyncio: bytes came."""
        self._wire_bytes += len(data)
        try:
            if self._answer is None:
                raise HopInvalid("spoke unasked")  # noqa: TRY301 - all ends of a connection meet below
            self._parser.feed_data(data)
            wire_bytes_max = HEAD_BYTES_MAX + WIRE_BYTES_PER_BODY_BYTE_MAX * self._hop.body_bytes_max
            if self._wire_bytes > (wire_bytes_max if self._headed else HEAD_BYTES_MAX):
                raise HopInvalid("too long")  # noqa: TRY301 - as above
        except (HopInvalid, httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._fail(HopInvalid(str(error)))
            return
        if self._complete:
            self._succeed()

    def connection_lost(self, error: Exception | None) -> None:
        """Asyncio: the connection is gone."""
        self._hop.open.discard(self)
        with suppress(ValueError):
            self._hop.idle.remove(self)
        if self._headed:
            self._fail(HopInvalid("the answer was cut short"))
        else:
            self._fail(HopUnavailable(f"gone: {type(error).__name__}", untouched=self._wire_bytes == 0))

    def on_header(self, name: bytes, value: bytes) -> None:
        """Httptools: one header."""
        if name.lower() == b"content-encoding" and value.lower() != b"identity":
            raise HopInvalid("compressed, although nobody asked for that")

    def on_headers_complete(self) -> None:
        """Httptools: the head is whole."""
        self._headed, self._keep = True, self._parser.should_keep_alive()

    def on_body(self, body: bytes) -> None:
        """Httptools: a piece of the body."""
        self._body += body
        if len(self._body) > self._hop.body_bytes_max:
            raise HopInvalid("too long")

    def on_message_begin(self) -> None:
        """Httptools: an answer begins."""
        if self._complete:
            raise HopInvalid("more than one answer")

    def on_message_complete(self) -> None:
        """Httptools: the answer is whole."""
        if self._parser.get_status_code() < 200:
            raise HopInvalid("an interim answer")
        self._complete = True

    def _succeed(self) -> None:
        assert self._transport is not None
        answer, self._answer = self._answer, None
        if self._keep and len(self._hop.idle) < CONNECTIONS_IDLE_MAX and not self._transport.is_closing():
            self._idle_since_s = asyncio.get_running_loop().time()
            self._hop.idle.append(self)
        else:
            self._transport.close()
        if answer is not None and not answer.done():
            answer.set_result(HopReply(self._parser.get_status_code(), bytes(self._body)))

    def _fail(self, error: HopError) -> None:
        answer, self._answer = self._answer, None
        self.abort()
        if answer is not None and not answer.done():
            answer.set_exception(error)

    def _given_up(self, answer: "asyncio.Future[HopReply]") -> None:
        if answer.cancelled() and self._answer is answer:
            self._answer = None
            self.abort()
