"""An inference server that does whatever it is told to: raw bytes over TCP, silence, trickles, early goodbyes."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TypeAlias

import orjson

TRICKLE_S = 0.05
Play: TypeAlias = Callable[[asyncio.StreamWriter], Awaitable[None]]


@dataclass
class HostileInference:
    """Plays `play` to every question; `asked` counts them, `paths` tells where."""

    play: Play
    port: int = 0
    paths: list[str] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.paths.append(head.split(" ", 2)[1])
        lengths = [line.partition(":")[2] for line in head.splitlines() if line.lower().startswith("content-length")]
        await reader.readexactly(int(lengths[0]) if lengths else 0)
        await self.play(writer)


@asynccontextmanager
async def hostile_inference(play: Play) -> AsyncIterator[HostileInference]:
    """Listens on a free port until the end, when all connections are cut."""
    inference, tasks = HostileInference(play), set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.current_task())
        with suppress(OSError, EOFError, asyncio.CancelledError):
            await inference.serve(reader, writer)
        tasks.discard(asyncio.current_task())
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    inference.port = server.sockets[0].getsockname()[1]
    try:
        yield inference
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def raw(content: bytes) -> Play:
    """Sends these bytes and closes."""

    async def play(writer: asyncio.StreamWriter) -> None:
        writer.write(content)
        await writer.drain()

    return play


def http(body: bytes, status: str = "200 OK", *headers: str, length: int | None = None) -> Play:
    """Sends one HTTP answer and closes; `length` may lie about the body."""
    lines = [f"HTTP/1.1 {status}", "Content-Type: application/json", "Connection: close", *headers]
    lines.append(f"Content-Length: {len(body) if length is None else length}")
    return raw("\r\n".join([*lines, "", ""]).encode() + body)


def gzipped(body: bytes) -> Play:
    """Sends the body compressed, although nobody asked for that."""
    return http(gzip.compress(body), "200 OK", "Content-Encoding: gzip")


async def silent(writer: asyncio.StreamWriter) -> None:
    """Accepts, reads, and says nothing."""
    await writer.drain()
    await asyncio.Event().wait()


async def closing(writer: asyncio.StreamWriter) -> None:
    """Reads and hangs up."""
    await writer.drain()


def trickling(body: bytes) -> Play:
    """Sends a sound answer byte by byte, each too late to matter."""

    async def play(writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode())
        for byte in body:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(TRICKLE_S)

    return play


def ranked(item_id: str, score: object = 1.0, evidence: tuple[object, ...] = ()) -> dict[str, object]:
    """One item as inference ranks it."""
    return {"item_id": item_id, "score": score, "evidence": list(evidence)}


def reply(*items: object, **other: object) -> bytes:
    """A reply's JSON with one ranking of `items`; `other` replaces or adds."""
    ranking = {"items": list(items), "confidence": 1.0, "confident": True}
    ranking |= {name: value for name, value in other.items() if name in ranking}
    rest = {name: value for name, value in other.items() if name not in ranking}
    return orjson.dumps({"model_version": "m1", "rankings": [ranking]} | rest)
