"""An inference server that misbehaves as told: `python -m evershelf.drills.stub_inference PLAY [ITEMS_FILE]`.

It prints the port it listens on, then answers every question as PLAY says until it is ended. A play that mixes good and
bad answers draws from a fixed seed.
"""

import asyncio
import gzip
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from enum import StrEnum
from functools import cache
from pathlib import Path
from random import Random
from typing import Any, NamedTuple, TypeAlias

import orjson

LOOPBACK = "127.0.0.1"
ITEMS_MAX = 400
BLOCK_S = 2.0
BOMB_BYTES = 200 * 10**6
FLOOD_ITEMS = 10**6
ERROR_SHARE = 0.3
REQUEST_BYTES_MAX = 8 * 2**20


class Play(StrEnum):
    """What the stub does to a question."""

    GOOD = "good"
    ERRORS = "errors"  # 500, 503 and 429 to 30 % of the questions
    ERROR_500 = "error-500"
    ERROR_503 = "error-503"
    ERROR_429 = "error-429"
    NAN = "nan"
    INFINITY = "infinity"
    HUGE_SCORES = "huge-scores"  # 1e308: finite, so nothing is wrong with them
    DUPLICATES = "duplicates"
    FOREIGN_IDS = "foreign-ids"
    WRONG_TYPES = "wrong-types"
    EMPTY = "empty"
    FLOOD = "flood"  # a million items
    BOMB = "bomb"  # 194 kB that inflate to 200 MB
    TRUNCATED = "truncated"
    NO_JSON = "no-json"
    BLOCKED = "blocked"  # every tenth answer holds up all others for 2 s


class Question(NamedTuple):
    """One of the questions of a call: the items that it leaves to choose from, best first, and how many it wants."""

    ids: list[str]
    k: int


_Items: TypeAlias = list[dict[str, object]]
_Reply: TypeAlias = Callable[[Sequence[Question]], bytes]


def _ranked(questions: Sequence[Question], choose: Callable[[Question], _Items]) -> bytes:
    """A ranking for each question: a call may bring several."""
    rankings = [{"items": choose(each), "confidence": 1.0, "confident": True} for each in questions]
    return orjson.dumps({"model_version": "stub", "rankings": rankings})


def _scored(ids: Sequence[str], *, top: float = 1.0) -> _Items:
    return [{"item_id": item_id, "score": top / place, "evidence": []} for place, item_id in enumerate(ids, start=1)]


def _sound(question: Question) -> _Items:
    return _scored(question.ids[: question.k])


def _http(body: bytes, status: str = "200 OK", *headers: str, length: int | None = None) -> bytes:
    size = len(body) if length is None else length
    lines = [f"HTTP/1.1 {status}", "Content-Type: application/json", f"Content-Length: {size}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


@cache
def _bomb() -> bytes:
    """Made once, on first use: compressing takes a second."""
    return gzip.compress(b" " * BOMB_BYTES, 6)


def _choosing(choose: Callable[[Question], _Items]) -> _Reply:
    return lambda questions: _http(_ranked(questions, choose))


def _top_score(text: bytes) -> _Reply:
    return lambda questions: _http(_ranked(questions, _sound).replace(b'"score":1.0', b'"score":' + text))


REPLIES: Mapping[Play, _Reply] = {
    Play.GOOD: _choosing(_sound),
    Play.BLOCKED: _choosing(_sound),
    Play.ERRORS: _choosing(_sound),
    Play.ERROR_500: lambda _: _http(b'{"oops":true}', "500 Oops"),
    Play.ERROR_503: lambda _: _http(b"{}", "503 Away", "Retry-After: 1"),
    Play.ERROR_429: lambda _: _http(b"{}", "429 Slower", "Retry-After: 999999"),
    Play.NAN: _top_score(b"NaN"),
    Play.INFINITY: _top_score(b"1e999"),
    Play.WRONG_TYPES: _top_score(b'"1.0"'),
    Play.HUGE_SCORES: _choosing(lambda asked: _scored(asked.ids[: asked.k], top=1e308)),
    Play.DUPLICATES: _choosing(lambda asked: _scored([asked.ids[0], *asked.ids[: asked.k - 1]])),
    Play.FOREIGN_IDS: _choosing(lambda asked: _scored([f"../etc/{number}" for number in range(asked.k)])),
    Play.EMPTY: _choosing(lambda _: []),
    Play.FLOOD: lambda questions: _http(_flood(questions[0].ids[0])),
    Play.BOMB: lambda _: _http(_bomb(), "200 OK", "Content-Encoding: gzip"),
    Play.TRUNCATED: lambda questions: _http(_ranked(questions, _sound)[:-40]),
    Play.NO_JSON: lambda _: _http(b"\xff\xfe<html>"),
}


def _flood(item_id: str) -> bytes:
    item = b'{"item_id":"' + item_id.encode() + b'","score":1.0,"evidence":[]},'
    return b'{"model_version":"stub","rankings":[{"confidence":1.0,"confident":true,"items":[' + item * FLOOD_ITEMS


class Stub:
    """Answers every question of a connection as its play says."""

    def __init__(self, play: Play, ids: list[str], *, seed: int = 1) -> None:
        self._play = play
        self._ids = ids
        self._chance = Random(seed)  # noqa: S311 - a replayable draw is the point
        self._asked = 0
        if play is Play.BOMB:
            _bomb()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until the other side leaves."""
        with suppress(OSError, EOFError, ValueError):
            while True:
                writer.write(self._answer(await _read_request(reader)))
                await writer.drain()
        writer.close()

    def _answer(self, body: bytes) -> bytes:
        self._asked += 1
        if self._play is Play.BLOCKED and self._asked % 10 == 0:
            time.sleep(BLOCK_S)  # on the event loop: that is the fault
        if self._play is Play.ERRORS and self._chance.random() < ERROR_SHARE:
            bad = self._chance.choice((Play.ERROR_500, Play.ERROR_503, Play.ERROR_429))
            return REPLIES[bad]([])
        return REPLIES[self._play]([self._question(query) for query in orjson.loads(body)["queries"]])

    def _question(self, query: Mapping[str, Any]) -> Question:  # Any: JSON
        excluded = set(query.get("exclude", ()))
        return Question([item_id for item_id in self._ids if item_id not in excluded], int(query["k"]))


async def _read_request(reader: asyncio.StreamReader) -> bytes:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    lengths = [line.partition(":")[2] for line in head.splitlines() if line.startswith("content-length")]
    size = int(lengths[0]) if lengths else 0
    if size > REQUEST_BYTES_MAX:
        raise ValueError("the question is too long")
    return await reader.readexactly(size)


async def run(play: Play, ids: list[str]) -> None:
    """Listens on a free port, prints it, serves until ended."""
    stub = Stub(play, ids)
    server = await asyncio.start_server(stub.serve, LOOPBACK, 0, backlog=256)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


def main() -> None:
    """Plays until ended."""
    ids = Path(sys.argv[2]).read_text().split()[:ITEMS_MAX] if len(sys.argv) > 2 else ["item-1", "item-2"]
    with suppress(KeyboardInterrupt):
        asyncio.run(run(Play(sys.argv[1]), ids))


if __name__ == "__main__":
    main()
