"""Nothing that a server says can end the process: asyncpg takes the frame of what it hears on trust."""

import asyncio
import signal
import struct
import subprocess
import sys

import orjson
import pytest

from evershelf.storage.wire import BODY_BYTES_MAX, ServerMessages, UnsoundMessageError

HELD_S = 60


def message(kind: str, body: bytes) -> bytes:
    return kind.encode() + struct.pack(">i", len(body) + 4) + body


def authentication(code: int, more: bytes = b"") -> bytes:
    return message("R", struct.pack(">i", code) + more)


OFFER, GOES_ON, CONCLUDED = authentication(10, b"SCRAM-SHA-256\0\0"), authentication(11, b"r=a"), authentication(12)
ERROR = message("E", b"SERROR\0C22012\0Mdivision by zero\0\0")
ROW = message("D", b"\x00\x01\x00\x00\x00\x01x")
SOUND = b"".join((
    OFFER, GOES_ON, CONCLUDED, authentication(0), message("S", b"TimeZone\0UTC\0"), message("K", b"12345678"),
    message("Z", b"I"), ERROR, message("N", b"SNOTICE\0\0"), message("1", b""), ROW, message("D", bytes(2_000)), ROW,
    message("A", b"1234channel\0words\0"), message("C", b"SELECT 3\0"), message("Z", b"I"),
))  # fmt: skip
UNSOUND = {
    "a step of SCRAM before its offer": GOES_ON,
    "an end of SCRAM before its offer": CONCLUDED,
    "an end of SCRAM after its end": OFFER + GOES_ON + CONCLUDED + CONCLUDED,
    "a step of SCRAM after its end": OFFER + GOES_ON + CONCLUDED + GOES_ON,
    "a step of an offer that is not known": authentication(10, b"SCRAM-SHA-999\0\0") + GOES_ON,
    "a step of an offer that only looks known": authentication(10, b"XSCRAM-SHA-256\0\0") + GOES_ON,
    "a step after a password was asked for": OFFER + authentication(3) + GOES_ON,
    "an offer without an end": authentication(10, b"SCRAM-SHA-256\0"),
    "a salt that is too short": authentication(5, b"abc"),
    "a row of a length below its own": SOUND + b"D" + struct.pack(">i", 3),
    "a row of negative length": SOUND + b"D" + struct.pack(">i", -1),
    "an error beyond reason": SOUND + b"E" + struct.pack(">i", BODY_BYTES_MAX + 1),
    "an error without an end": message("E", b"SERROR\0C22012\0"),
    "an error with more behind its end": message("E", b"SERROR\0\0C22012\0"),
    "a setting without its value": message("S", b"TimeZone\0"),
    "a setting without its end": message("S", b"TimeZone\0UTC\1"),
    "news without words": message("A", b"1234"),
    "an empty end of a command": message("C", b""),
    "a ready that does not say for what": message("Z", b""),
    "half a secret": message("K", b"1234"),
}


def take(words: bytes, step: int) -> None:
    said = ServerMessages()
    for at in range(0, len(words), step):
        said.take(words[at : at + step])


@pytest.mark.parametrize("step", [1, 3, 7, 1_000, len(SOUND)])
def test_what_is_sound_passes_in_whatever_pieces_it_comes(step):
    # Promise: no false alarm.
    take(SOUND, step)


@pytest.mark.parametrize("step", [1, len(SOUND)])
@pytest.mark.parametrize("words", UNSOUND.values(), ids=UNSOUND)
def test_what_is_unsound_is_handed_to_nobody(words, step):
    # Promise: it is refused once it can be known, in whatever pieces it came.
    with pytest.raises(UnsoundMessageError):
        take(words, step)


def flipped(url: str, driver: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "tests.storage.flipped", url, "login", driver]
    return subprocess.run(command, capture_output=True, check=False, timeout=HELD_S)


async def test_no_flipped_bit_of_an_authentication_ends_the_process(postgres):
    # Promise (G1): whatever is wrong, the process lives and is told so, for every bit of the heads of a real login.
    ended = await asyncio.to_thread(flipped, postgres.url, "guarded")
    assert ended.returncode == 0, ended.stderr[-2_000:]
    told = orjson.loads(ended.stdout)
    assert told["conversations"] >= 4 * 9 * 8
    assert set(told["ends"]) <= {
        "UnsoundMessageError", "ConnectionDoesNotExistError", "TimeoutError", "InterfaceError", "InternalClientError",
        "ProtocolViolationError", "ConnectionResetError", "well",
    }  # fmt: skip


async def test_the_driver_by_itself_dies_of_one(postgres):
    # The check is checked, and tells when the driver no longer needs it.
    assert (await asyncio.to_thread(flipped, postgres.url, "bare")).returncode == -signal.SIGSEGV
