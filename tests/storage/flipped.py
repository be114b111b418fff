"""A conversation with PostgreSQL, again and again, with another bit of the server's words wrong each time.

`python -m tests.storage.flipped URL (login|all) (guarded|bare)` prints how the conversations ended, or dies: it is what
a test looks at from outside. `bare` is asyncpg as it comes.
"""

import asyncio
import sys
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import asyncpg.protocol
import asyncpg.protocol.protocol
import orjson

import evershelf.storage

AT_A_TIME = 8
SHOWN_EACH = 1_000
PATIENCE_S = 0.5
HEAD_BYTES, CODE_BYTES = 5, 4


class Flipping:
    """Passes bytes between a client and a server; of the server's, one bit is wrong in each connection."""

    def __init__(self, url: str) -> None:
        self._url = urlsplit(url)
        self.said = b""  # by the server, in the last conversation that was left as it is

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1")

    async def talk(self, flip: int | None) -> None:
        """Has a conversation, in which bit number `flip` of what the server says is wrong."""
        port = self._server.sockets[0].getsockname()[1]
        address = self._url.netloc.rpartition(":")[0]
        url = urlunsplit(self._url._replace(netloc=f"{address}:{port}"))
        async with asyncio.timeout(PATIENCE_S):
            connection = await asyncpg.connect(url, ssl=False, server_settings={"application_name": f"flip-{flip}"})
            try:
                await converse(connection)
            finally:
                connection.terminate()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first = await reader.read(4_096)  # the startup message tells which conversation this is
        name = first.partition(b"flip-")[2].partition(b"\0")[0].decode()
        flip = None if name == "None" else int(name)
        server_reader, server_writer = await asyncio.open_connection(self._url.hostname, self._url.port)
        server_writer.write(first)
        onward = asyncio.create_task(pass_on(reader, server_writer))
        at, said = 0, bytearray()
        with suppress(OSError):
            while piece := bytearray(await server_reader.read(65_536)):
                said += piece
                if flip is not None and at <= flip // 8 < at + len(piece):
                    piece[flip // 8 - at] ^= 1 << flip % 8
                at += len(piece)
                writer.write(piece)
        if flip is None:
            self.said = bytes(said)
        onward.cancel()
        writer.close()
        server_writer.close()


async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while piece := await reader.read(65_536):
        writer.write(piece)
    writer.close()


async def converse(connection: asyncpg.Connection) -> None:
    """What the gateway says to PostgreSQL, in small: a codec, rows of every kind it reads, an error."""
    await connection.set_type_codec("jsonb", schema="pg_catalog", encoder=str, decoder=orjson.loads)
    await connection.fetch(
        "SELECT number::int AS one, 'text' AS two, now() AS three, ARRAY['a', 'b'] AS four,"
        " '{\"a\": 1}'::jsonb AS five, NULL::float AS six, gen_random_uuid() AS seven, true AS eight,"
        " 1.5::float AS nine FROM generate_series($1::bigint, 3) AS number",
        1,
    )
    with suppress(asyncpg.DataError):
        await connection.execute("SELECT 1 / $1::int", 0)
    async with connection.transaction():
        await connection.executemany("SELECT $1::text", [("a",), ("b",)])


def authentication_bits(said: bytes) -> Iterable[int]:
    """The bits of the types, lengths and codes of all messages about authentication."""
    at = 0
    while at < len(said) and said[at : at + 1] != b"Z":
        if said[at : at + 1] == b"R":
            yield from range(at * 8, (at + HEAD_BYTES + CODE_BYTES) * 8)
        at += 1 + int.from_bytes(said[at + 1 : at + HEAD_BYTES])


async def main(url: str, extent: str, driver: str) -> None:
    if driver == "bare":
        asyncpg.protocol.Protocol = asyncpg.protocol.protocol.Protocol
    else:
        assert asyncpg.protocol.Protocol is evershelf.storage.CheckedProtocol
    flipping = Flipping(url)
    await flipping.open()
    await flipping.talk(None)
    await asyncio.sleep(PATIENCE_S)
    bits = list(authentication_bits(flipping.said)) if extent == "login" else list(range(len(flipping.said) * 8))
    ends: Counter[str] = Counter()
    free = asyncio.Semaphore(AT_A_TIME)

    async def talk(flip: int) -> None:
        async with free:
            try:
                await flipping.talk(flip)
                ends["well"] += 1
            except Exception as error:  # noqa: BLE001 - what is counted here is how it ended, whatever it was
                ends[type(error).__name__] += 1
            if ends.total() % SHOWN_EACH == 0:
                print(f"{ends.total()} of {len(bits)} conversations", file=sys.stderr)

    await asyncio.gather(*(talk(flip) for flip in bits))
    print(orjson.dumps({"conversations": len(bits), "ends": dict(ends)}).decode())


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
