"""What PostgreSQL says, looked at before the driver takes it on trust.

asyncpg 0.32 is C without a belt in two places: a message of negative length has it read before its buffer, and a step
of SCRAM that nobody began has it follow a null pointer. Either ends the process, and with it every answer; one wrong
bit of a reply is enough. What is let through here is in order, of a possible length, and ends where it says it ends,
so that the driver and this look see the same messages. It is a look at the frame: rows are passed over unread.
"""

import struct
from collections.abc import Callable, Mapping
from typing import Final

import asyncpg.protocol

# The frontend/backend protocol, version 3: a byte of type, then a length that counts itself, then the body.
_LENGTH = struct.Struct(">i")
_HEAD_BYTES: Final = 1 + _LENGTH.size
_AUTHENTICATION: Final = ord("R")
_MD5, _SCRAM_OFFERED, _SCRAM_CONTINUED, _SCRAM_CONCLUDED = 5, 10, 11, 12
_SCRAM: Final = b"SCRAM-SHA-256"
_SALT_BYTES: Final = 4  # of MD5
# Beyond any notice or error; rows may be longer.
BODY_BYTES_MAX: Final = 2**20


class UnsoundMessageError(ConnectionAbortedError):
    """No server says this at this point. The connection ends; a new one may be sound."""


class ServerMessages:
    """Follows what one server says on one connection, in whatever pieces it comes."""

    def __init__(self) -> None:
        self._unread = b""  # the beginning of a message that is looked into
        self._passing = 0  # bytes still to come of one that is not
        self._in_scram = False

    def take(self, data: bytes) -> None:
        """Raises UnsoundMessageError for what must not be handed on."""
        if self._passing >= len(data):
            self._passing -= len(data)
            return
        at, data = self._passing, self._unread + data
        self._passing = 0
        while len(data) - at >= _HEAD_BYTES:
            kind, length = data[at], _LENGTH.unpack_from(data, at + 1)[0]
            end = at + 1 + length
            if length < _LENGTH.size:
                raise UnsoundMessageError(f"a message of {length} bytes")
            if (is_sound := _SOUND.get(kind)) is not None:
                if length > BODY_BYTES_MAX:
                    raise UnsoundMessageError(f"a message of type {chr(kind)} and {length} bytes")
                if end > len(data):
                    break
                body = data[at + _HEAD_BYTES : end]
                if not is_sound(body):
                    raise UnsoundMessageError(f"a message of type {chr(kind)} that does not end where it says")
                if kind == _AUTHENTICATION:
                    self._authentication(body)
            elif end > len(data):
                self._passing, self._unread = end - len(data), b""
                return
            at = end
        self._unread = data[at:]

    def _authentication(self, body: bytes) -> None:
        """The driver holds a state of SCRAM from its offer to its conclusion, and asks for it without a look."""
        code, more = _LENGTH.unpack_from(body)[0], body[_LENGTH.size :]
        is_short = (code == _MD5 and len(more) != _SALT_BYTES) or (code == _SCRAM_OFFERED and more[-2:] != b"\0\0")
        if code < 0 or is_short:
            raise UnsoundMessageError(f"an authentication {code} that does not end where it says")
        if code in (_SCRAM_CONTINUED, _SCRAM_CONCLUDED) and not self._in_scram:
            raise UnsoundMessageError("a step of SCRAM that was not begun")
        offered = more.partition(b"\0\0")[0].split(b"\0") if code == _SCRAM_OFFERED else ()
        self._in_scram = code == _SCRAM_CONTINUED or _SCRAM in offered


class CheckedProtocol(asyncpg.protocol.Protocol):
    """asyncpg's protocol, which hears only what `ServerMessages` lets through."""

    _said: ServerMessages

    def connection_made(self, transport: object) -> None:
        """A connection is there, and encrypted if it is going to be."""
        self._said = ServerMessages()
        super().connection_made(transport)

    def data_received(self, data: object) -> None:
        """Raises UnsoundMessageError, upon which the event loop ends the connection."""
        self._said.take(data)  # type: ignore[arg-type]  # bytes: asyncio.Protocol says so, the driver's stub does not
        super().data_received(data)


def _strings(number: int, *, after: int = 0) -> Callable[[bytes], bool]:
    """So many strings, each ended by a zero byte, after so many other bytes."""
    return lambda body: len(body) > after and body[-1] == 0 and body.count(0, after) == number


def _is_told(body: bytes) -> bool:
    """Fields of an error or a notice: a byte that says which, then a string; a zero byte ends them."""
    at = 0
    while at < len(body) and body[at] != 0:
        at = body.find(0, at + 1) + 1
        if at == 0:
            return False
    return at == len(body) - 1


# Of these the driver reads piece by piece, and beyond the end of what is too short; others it takes as a whole.
_SOUND: Final[Mapping[int, Callable[[bytes], bool]]] = {
    _AUTHENTICATION: lambda body: len(body) >= _LENGTH.size,
    ord("S"): _strings(2),
    ord("A"): _strings(2, after=_LENGTH.size),
    ord("C"): _strings(1),
    ord("K"): lambda body: len(body) == 2 * _LENGTH.size,
    ord("Z"): lambda body: len(body) == 1,
    ord("E"): _is_told,
    ord("N"): _is_told,
}
