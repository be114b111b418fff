"""What a fault does to the bytes of a connection: pure decisions, drawn from a seed, carried out by the proxy."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from random import Random
from typing import TypeAlias

# Linux's smallest wait before it sends a lost segment again: what a lost packet costs a connection.
LOST_SEGMENT_MS = 200.0
HEAD_END = b"\r\n\r\n"


class Ending(StrEnum):
    """How a connection ends, or stops, at byte `at_byte` of a reply."""

    RESET = "reset"
    CUT = "cut"  # closed in order, in the middle of a reply
    HALF_CLOSE = "half_close"  # no more from the server; what the caller sends is still taken
    STALL = "stall"  # not a byte more, and no goodbye


class Trickle(StrEnum):
    """From where on a reply comes byte by byte."""

    HEAD = "head"
    BODY = "body"


@dataclass(frozen=True, slots=True)
class LinkFault:
    """A link's condition. The default passes all bytes as they come; every part of it may be combined."""

    share: float = 1.0  # of exchanges (a request and its reply) that are struck
    delay_ms: float = 0.0  # before the first byte of a reply
    jitter_ms: float = 0.0  # evenly around the delay
    rate_bytes_per_s: float = 0.0  # of the whole link, replies only; 0: unlimited
    lost_share: float = 0.0  # of chunks that come a retransmission later
    trickle: Trickle | None = None
    trickle_ms: float = 80.0
    corrupt_share: float = 0.0  # of a reply's bytes that get one bit flipped
    ending: Ending | None = None
    at_byte: int = 0
    black_hole: bool = False  # connections open, and nothing moves on new ones or old ones
    refuse: bool = False  # nobody listens, and old connections are reset

    @property
    def is_none(self) -> bool:
        """Whether the link is well."""
        return self == LinkFault()

    def as_json(self) -> dict[str, object]:
        """What `from_json` reads."""
        return asdict(self)

    @classmethod
    def from_json(cls, fields: dict[str, object]) -> "LinkFault":
        """The fault that `as_json` told. Raises TypeError or ValueError for what is none."""
        values = dict(fields)
        if values.get("trickle") is not None:
            values["trickle"] = Trickle(str(values["trickle"]))
        if values.get("ending") is not None:
            values["ending"] = Ending(str(values["ending"]))
        return cls(**values)  # type: ignore[arg-type]  # JSON is untyped; a wrong name raises TypeError


@dataclass(frozen=True, slots=True)
class Wait:
    """Hold everything back for so long."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Send:
    """Pass these bytes on."""

    data: bytes


@dataclass(frozen=True, slots=True)
class End:
    """End, or stop, the connection."""

    ending: Ending


Step: TypeAlias = Wait | Send | End


@dataclass(slots=True)
class Exchange:
    """One request and its reply on a connection: whether the fault strikes it, and how far the reply has come."""

    struck: bool = False
    replied_bytes: int = 0
    head_ended: bool = False


def bend(fault: LinkFault, exchange: Exchange, data: bytes, chance: Random) -> Iterator[Step]:
    """What to do with the next chunk of a reply; moves `exchange` on."""
    if not exchange.struck:
        exchange.replied_bytes += len(data)
        yield Send(data)
        return
    if exchange.replied_bytes == 0 and (fault.delay_ms or fault.jitter_ms):
        yield Wait(max(0.0, fault.delay_ms + fault.jitter_ms * chance.uniform(-1.0, 1.0)) / 1_000)
    if fault.lost_share and chance.random() < fault.lost_share:
        yield Wait(LOST_SEGMENT_MS / 1_000)
    room = len(data) if fault.ending is None else max(0, fault.at_byte - exchange.replied_bytes)
    passed = _corrupted(data[:room], fault.corrupt_share, chance)
    exchange.replied_bytes += len(passed)
    yield from _sent(fault, exchange, passed)
    if fault.ending is not None and room < len(data):
        yield End(fault.ending)


def _sent(fault: LinkFault, exchange: Exchange, data: bytes) -> Iterator[Step]:
    if fault.trickle is None:
        yield from (Send(data),) if data else ()
        return
    whole = 0
    if fault.trickle is Trickle.BODY and not exchange.head_ended:
        end = data.find(HEAD_END)
        whole = len(data) if end < 0 else end + len(HEAD_END)
        exchange.head_ended = end >= 0
        yield Send(data[:whole])
    for position in range(whole, len(data)):
        yield Wait(fault.trickle_ms / 1_000)
        yield Send(data[position : position + 1])


def _corrupted(data: bytes, share: float, chance: Random) -> bytes:
    if not share:
        return data
    flipped = bytearray(data)
    for position in range(len(flipped)):
        if chance.random() < share:
            flipped[position] ^= 1 << chance.randrange(8)
    return bytes(flipped)
