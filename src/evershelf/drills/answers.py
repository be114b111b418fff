"""The generator's log: one record a request, appended while it sends, read and judged when all is over."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import BinaryIO

_HEAD = struct.Struct("<dddHIHBBI")


class Mishap(IntEnum):
    """Why a request has no answer."""

    NONE = 0
    REFUSED = 1
    RESET = 2  # the connection ended before the answer was whole
    UNREADABLE = 3  # what came was no HTTP answer with a length
    NO_ANSWER = 4  # none until the generator gave up
    NO_CONNECTION = 5  # as many as allowed were open, and all busy, until the generator gave up


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one request. Times are monotonic seconds; `due_s` is when it was scheduled, and counts."""

    due_s: float
    sent_s: float
    done_s: float
    stream: int
    ask: int
    status: int
    mishap: Mishap
    attempts: int
    body: bytes

    @property
    def latency_ms(self) -> float:
        """From the scheduled send time to the last byte."""
        return (self.done_s - self.due_s) * 1_000


def write_answer(file: BinaryIO, answer: Answer) -> None:
    """Appends one record."""
    file.write(
        _HEAD.pack(
            answer.due_s, answer.sent_s, answer.done_s, answer.stream, answer.ask, answer.status,
            answer.mishap, min(answer.attempts, 255), len(answer.body),
        )
    )  # fmt: skip
    file.write(answer.body)


def read_answers(path: Path) -> Iterator[Answer]:
    """The records in the order in which the requests ended."""
    with path.open("rb") as file:
        while head := file.read(_HEAD.size):
            due_s, sent_s, done_s, stream, ask, status, mishap, attempts, size = _HEAD.unpack(head)
            body = file.read(size)
            yield Answer(due_s, sent_s, done_s, stream, ask, status, Mishap(mishap), attempts, body)
