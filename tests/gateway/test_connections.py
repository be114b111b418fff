"""What one connection may cost: bounded heads, no waiting for ever, and an end that loses no request."""

import asyncio
import json
import os
import signal
import socket
import sqlite3
import sys
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import pytest
import pytest_asyncio

from evershelf.gateway.outside import Outside
from evershelf.registry.store import DirectoryRegistry
from evershelf.training.snapshot import refresh
from tests.gateway.gateway_world import (
    PATIENCE_S,
    connection,
    eventually,
    make_keys,
    open_world,
    raw_event,
    serving,
    shop,
    unused_port,
    valid,
)
from tests.gateway.hostile_inference import hostile_inference, silent

pytestmark = pytest.mark.asyncio(loop_scope="module")
ASK = "/v1/recommendations"
HEAD_BYTES_MAX, HEAD_S_MAX = 2_048, 0.5


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def world(postgres, tmp_path_factory):
    folder = tmp_path_factory.mktemp("connections")
    limits = {"gateway_head_bytes_max": HEAD_BYTES_MAX, "gateway_head_s_max": HEAD_S_MAX}
    async with open_world(postgres.url, folder, **limits) as world:
        yield world


def request(key: str, method: str = "GET", path: str = ASK, body: bytes = b"", more: str = "") -> bytes:
    head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n{more}"
    return f"{head}Content-Length: {len(body)}\r\nContent-Type: application/json\r\n\r\n".encode() + body


async def answer(reader: asyncio.StreamReader) -> tuple[int, bytes, bytes]:
    """Status, head in lower case, body: the whole of the next answer, or EOFError."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
    return int(head.split(b" ", 2)[1]), head, await reader.readexactly(length)


@pytest.mark.parametrize("sent", ["X-Long: " + "x" * 3_000 + "\r\n", "X-Many: x\r\n" * 300])
async def test_a_head_that_is_too_large_is_refused(world, sent):
    # Promise (G25): address and headers together have a limit; beyond it 431 as a problem, and the connection ends.
    for more in (sent, sent + "\r\n"):  # without an end, and with one
        async with connection(world.port) as (reader, writer):
            writer.write(request(world.keys["admin"], more=more)[: -2 if more is sent else None])
            status, head, body = await answer(reader)
            assert (status, json.loads(body)["type"]) == (431, "/problems/head-too-large")
            assert b"connection: close" in head
            assert b"x-content-type-options: nosniff" in head
            assert await reader.read() == b""


async def test_a_long_address_is_refused_and_one_that_fits_is_not(world):
    # Promise: the address counts; whatever else was read with a head does not.
    async with connection(world.port) as (reader, writer):
        body = json.dumps({"exclude": [f"item-{number}" for number in range(400)]}).encode()
        writer.write(request(world.keys["admin"], "POST", body=body) + request(world.keys["admin"]))
        assert [(await answer(reader))[0] for _ in range(2)] == [200, 200]
        writer.write(request(world.keys["admin"], path=f"{ASK}?user_id={'u' * HEAD_BYTES_MAX}"))
        assert (await answer(reader))[0] == 431


@pytest.mark.parametrize("said", [b"", b"GET /livez HTTP/1.1\r\nX-Drops: "], ids=["nothing", "half a head"])
async def test_who_says_nothing_is_not_waited_for(world, said):
    # Promise: a head that does not come, or comes in drops, ends the connection; others are served meanwhile.
    async with connection(world.port) as (reader, writer):
        writer.write(said)
        dripping = asyncio.create_task(drip(writer)) if said else None
        valid(await world.client.get(ASK))
        assert await reader.read() == b""
        if dripping is not None:
            dripping.cancel()
            await asyncio.gather(dripping, return_exceptions=True)


async def drip(writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"X")
        await asyncio.sleep(HEAD_S_MAX / 10)


async def test_everything_is_swapped_under_load_without_a_lost_request(world):
    # Promise (G22): new keys, revoked keys, placements and snapshots take effect while every request is answered.
    load = Load(world.port, world.keys["recommend"], world.keys["events"])
    async with load.running():
        versions = {world.parts.snapshots.current.version}
        for number in range(3):
            url = world.settings.database_url.get_secret_value()
            await asyncio.to_thread(refresh, url, DirectoryRegistry(Path(world.settings.registry)))
            await make_keys(world.pool)
            placement = {"name": f"swapped-{number}", "k": 3}
            assert (await world.client.put(f"/v1/placements/swapped-{number}", json=placement)).status_code == 200

            async def swapped(known=frozenset(versions), name=f"swapped-{number}") -> bool:
                fresh = world.parts.snapshots.current.version not in known
                return fresh and name in world.parts.mirror.placements

            await eventually(swapped)
            versions.add(world.parts.snapshots.current.version)
    assert len(versions) == 4
    load.check()


@dataclass
class Load:
    """Connections that ask and report one request after the other, until told to stop or to close."""

    port: int
    asking: str
    reporting: str
    connections: int = 12
    sent: int = 0
    answered: int = 0
    wrong: list[object] = field(default_factory=list)
    accepted: set[str] = field(default_factory=set)
    stopping: bool = False

    @asynccontextmanager
    async def running(self):
        tasks = [asyncio.create_task(self._one(number)) for number in range(self.connections)]
        try:
            yield
        finally:
            self.stopping = True
            await asyncio.wait_for(asyncio.gather(*tasks), 2 * PATIENCE_S)

    async def _one(self, number: int) -> None:
        async with connection(self.port) as (reader, writer):
            while not self.stopping:
                event = raw_event(user_id=f"user-{number}")
                body = json.dumps({"events": [event]}).encode()
                reports = number % 3 == 0
                writer.write(
                    request(self.reporting, "POST", "/v1/events", body)
                    if reports
                    else request(self.asking, path=f"{ASK}?user_id=user-{number}")
                )
                self.sent += 1
                try:
                    status, head, content = await answer(reader)
                except (EOFError, OSError) as error:
                    self.wrong.append(error)
                    return
                self.answered += 1
                if status != (202 if reports else 200):
                    self.wrong.append((status, content))
                elif reports:
                    self.accepted.add(event["event_id"])
                if b"connection: close" in head:
                    return

    def check(self) -> None:
        assert self.wrong == []
        assert self.sent == self.answered > self.connections


async def test_a_gateway_that_is_told_to_stop_loses_no_request(postgres, tmp_path):
    # Promise (G22): SIGTERM under load: every request that was sent is answered, also on connections that were idle,
    # the process ends in order within its grace time, and every accepted event is in PostgreSQL or in the spool.
    async with shop(postgres.url, tmp_path) as (settings, pool):
        keys, port = await make_keys(pool), unused_port()
        process = await started(settings, port)
        load = Load(port, keys["recommend"], keys["events"])
        try:
            async with connection(port) as (reader, writer), load.running():
                writer.write(request(keys["recommend"]))
                assert (await answer(reader))[0] == 200

                async def busy() -> bool:
                    return load.answered > 10 * load.connections

                await eventually(busy)
                process.send_signal(signal.SIGTERM)
                await asyncio.sleep(0.2)  # idle when told to stop, and asked a moment later
                writer.write(request(keys["recommend"]))
                status, head, _ = await answer(reader)
                assert (status, b"connection: close" in head) == (200, True)
                ended = await asyncio.wait_for(process.wait(), settings.gateway_grace_s + PATIENCE_S)
                assert ended in {0, -signal.SIGTERM}  # uvicorn ends by the signal that it was sent
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        load.check()
        assert await kept(pool, settings.gateway_data_dir, load.accepted) == load.accepted


async def started(settings, port: int) -> asyncio.subprocess.Process:
    """A gateway process with these settings that is ready."""
    names = ("registry", "gateway_data_dir", "inference_url", "gateway_grace_s", "gateway_loop_lag_ms_max")
    environment = {f"EVERSHELF_{name.upper()}": str(getattr(settings, name)) for name in names}
    secrets = {
        "EVERSHELF_KEY_SECRET": settings.key_secret.get_secret_value(),
        "EVERSHELF_DATABASE_URL": settings.database_url.get_secret_value(),
        "EVERSHELF_GATEWAY_PORT": str(port),
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "evershelf.gateway",
        env={"PATH": os.environ["PATH"], **environment, **secrets}, stdout=asyncio.subprocess.DEVNULL,
    )  # fmt: skip

    async def ready() -> bool:
        assert process.returncode is None
        try:
            async with connection(port) as (reader, writer):
                writer.write(request("", path="/readyz"))
                return (await answer(reader))[0] == 200
        except OSError:
            return False

    await eventually(ready)
    return process


async def kept(pool, folder: Path, wanted: set[str]) -> set[str]:
    """Which of these events are in PostgreSQL or wait in the spool's file."""
    rows = await pool.fetch("SELECT event_id FROM events WHERE event_id = ANY($1::uuid[])", list(wanted))
    with closing(sqlite3.connect(folder / "spool.sqlite")) as spool:
        waiting = [json.loads(body)["event_id"] for (body,) in spool.execute("SELECT body FROM pending")]
    return {str(row["event_id"]) for row in rows} | (set(waiting) & wanted)


class BrokenChance(Random):
    """Chance that fails while `broken`: a bug in the midst of an answer."""

    broken = False

    def getrandbits(self, k, /):
        if self.broken:
            raise ArithmeticError("no chance")
        return super().getrandbits(k)


async def test_a_bug_in_an_answer_is_told_and_the_connection_goes_on(postgres, tmp_path):
    # Promise: whatever fails in the midst of an answer, its asker hears of it as a problem, and can ask again.
    chance = BrokenChance()
    async with shop(postgres.url, tmp_path) as (settings, pool):
        key = (await make_keys(pool))["recommend"]
        async with serving(settings, Outside(random=chance)) as (parts, port), connection(port) as (reader, writer):
            plain = f"GET {ASK} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n\r\n".encode()
            for broken, wanted in ((True, 500), (False, 200), (True, 500)):
                chance.broken = broken
                writer.write(plain)
                status, head, body = await answer(reader)
                chance.broken = False
                assert status == wanted
                assert b"x-content-type-options: nosniff" in head
            assert json.loads(body)["type"].endswith("internal-error")
            assert b"no chance" not in body
            assert parts.admission.in_hand == 0


async def test_who_hangs_up_costs_nothing(world):
    # Promise: a caller that leaves before its answer is there leaves nothing in hand.
    plain = f"GET {ASK} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {world.keys['recommend']}\r\n\r\n".encode()
    for _ in range(20):
        async with connection(world.port) as (_, writer):
            writer.write(plain)

    async def nothing_in_hand() -> bool:
        return world.parts.admission.in_hand == 0

    await eventually(nothing_in_hand)
    assert valid(await world.client.get(ASK)).items


async def test_what_is_made_for_a_caller_who_has_left_is_dropped(postgres, tmp_path):
    # Promise (G3): a question to inference ends with its caller, however much time it had left; nothing is answered.
    async with (
        hostile_inference(silent) as inference,
        open_world(postgres.url, tmp_path, inference_url=f"http://127.0.0.1:{inference.port}") as world,
    ):
        path = f"{ASK}?context_items=mugs-0"
        head = f"Authorization: Bearer {world.keys['recommend']}\r\nX-Request-Deadline-Ms: 2000"
        async with connection(world.port) as (_, writer):
            writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n{head}\r\n\r\n".encode())

            async def asked() -> bool:
                return world.parts.inference.in_flight == 1

            await eventually(asked)

        async def dropped() -> bool:
            return world.parts.inference.in_flight == world.parts.admission.in_hand == 0

        await eventually(dropped)
        assert "evershelf_answers_total{" not in (await world.client.get("/metrics")).text


async def test_an_answer_that_nobody_reads_is_given_up(postgres, tmp_path):
    # Promise (G25): a caller that asks on and on and reads nothing loses the connection, which is not held for ever.
    async with open_world(postgres.url, tmp_path, gateway_unread_s_max=0.5) as world:
        with socket.socket() as caller:
            caller.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            caller.settimeout(0)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(caller, ("127.0.0.1", world.port))
            with pytest.raises((ConnectionResetError, BrokenPipeError)):  # noqa: PT012 - which write finds out is chance
                async with asyncio.timeout(PATIENCE_S):
                    while True:
                        await loop.sock_sendall(caller, b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n")
        assert valid(await world.client.get(ASK)).items
