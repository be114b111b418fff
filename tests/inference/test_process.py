"""The model server as a real process: swaps and refusals under load lose nothing, SIGTERM drains."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time

import httpx2
import numpy as np
import pytest

from evershelf.contracts.inference import RankReply
from tests.inference.fake_model import flip_byte, model_folder, publish_champion

BODY = json.dumps({"queries": [{"history": [{"item_id": "mug", "event_type": "purchase", "age_s": 1}], "k": 5}]})
PATIENCE_S = 90


class Process:
    """`python -m evershelf.inference` on a free port, on the registry at `root`."""

    def __init__(self, root, **settings):
        port_file = root.parent / "port"
        port_file.unlink(missing_ok=True)
        environment = {
            "EVERSHELF_REGISTRY": str(root),
            "EVERSHELF_INFERENCE_CACHE_DIR": str(root.parent / "cache"),
            "EVERSHELF_INFERENCE_PORT": "0",
            "EVERSHELF_INFERENCE_PORT_FILE": str(port_file),
            "EVERSHELF_INFERENCE_POLL_S": "0.05",
            **settings,
        }
        self._log_path = root.parent / "log"
        self._log = self._log_path.open("wb")
        command = [sys.executable, "-m", "evershelf.inference"]
        self.child = subprocess.Popen(command, env=os.environ | environment, stdout=self._log, stderr=self._log)
        self.client = httpx2.Client(timeout=PATIENCE_S)
        try:
            until(lambda: port_file.exists() and port_file.read_text())
            self.port = int(port_file.read_text())
            self.client.base_url = f"http://127.0.0.1:{self.port}"
            until(lambda: self.get("/readyz") == 200)
        except BaseException:
            self.close()  # nobody else can: a failed start must not spoil the next test
            raise

    def get(self, path):
        try:
            return self.client.get(path).status_code
        except httpx2.TransportError:
            return None

    def version(self):
        return self.client.get("/v1/model").json()["version"]

    def log(self):
        return [json.loads(line) for line in self._log_path.read_text().splitlines()]

    def close(self):
        self.client.close()
        if self.child.poll() is None:
            self.child.kill()
        self.child.wait()
        self._log.close()


def until(met):
    deadline_s = time.monotonic() + PATIENCE_S
    while not met():
        assert time.monotonic() < deadline_s, "waited in vain"
        time.sleep(0.02)


@pytest.fixture
def root(tmp_path):
    publish_champion(tmp_path / "registry", "m1")
    return tmp_path / "registry"


@pytest.fixture
def server(root):
    process = Process(root)
    yield process
    process.close()


class Load:
    """Callers that ask without pause until told to stop; keeps every answer."""

    def __init__(self, port, callers=4):
        self._url, self.callers, self._going = f"http://127.0.0.1:{port}/v1/rank", callers, True
        self.answers = []

    async def __aenter__(self):
        self._client = httpx2.AsyncClient(timeout=PATIENCE_S)
        self._tasks = [asyncio.create_task(self._ask()) for _ in range(self.callers)]
        return self

    async def __aexit__(self, *_):
        self._going = False
        await asyncio.gather(*self._tasks)
        await self._client.aclose()

    async def _ask(self):
        while self._going:
            self.answers.append(await self._client.post(self._url, content=BODY))

    def versions(self):
        assert {answer.status_code for answer in self.answers} == {200}
        replies = [RankReply.model_validate_json(answer.content, strict=True) for answer in self.answers]
        assert all(reply.rankings[0].items for reply in replies)
        return [reply.model_version for reply in replies]


async def test_moving_the_alias_under_load_swaps_the_model_and_fails_no_request(server, root):
    async with Load(server.port) as load:
        for version in ("m2", "m3", "m4"):
            await asyncio.to_thread(publish_champion, root, version)
            await asyncio.to_thread(until, lambda version=version: server.version() == version)
    versions = load.versions()
    assert versions[-1] == "m4"
    assert {"m1", "m2", "m3"} & set(versions)


BAD = {
    "nan": {"rows.weights": np.full(4, np.nan, np.float32)},
    "shape": {"rows.weights": np.ones(3, np.float32)},
    "range": {"rows.indices": np.array([1, 2, 0, 99], np.int32)},
    "empty": {"rows.weights": np.zeros(4, np.float32)},
}


async def test_bad_champions_are_refused_under_load_while_the_former_serves_on(server, root):
    # A flipped bit, NaN, a wrong shape, an index out of range, nothing to rank: five versions that must not serve.
    async with Load(server.port) as load:
        registry = await asyncio.to_thread(publish_champion, root, "m2")
        await asyncio.to_thread(until, lambda: server.version() == "m2")
        before = len(load.answers) + load.callers  # what was under way may still be of m1
        for number, (name, tensors) in enumerate(BAD.items(), start=1):
            publish_champion(root, f"bad-{name}", tensors=tensors)
            await asyncio.to_thread(until, lambda number=number: refusals(server) >= number)
        folder = root.parent / "flipped"
        registry.publish("models", model_folder(folder, "bad-byte"), folder)
        flip_byte(registry.path("models", "bad-byte") / "model.safetensors")
        sequence = registry.read_alias("models", "champion").sequence
        registry.move_alias("models", "champion", "bad-byte", expected_sequence=sequence, moved_by="t", reason="t")
        await asyncio.to_thread(until, lambda: refusals(server, 'reason="hash"') >= 1)
    assert set(load.versions()[before:]) == {"m2"}


def refusals(server, label=""):
    lines = server.client.get("/metrics").text.splitlines()
    return sum(
        float(line.split()[-1])
        for line in lines
        if line.startswith("evershelf_inference_refused_loads_total{") and label in line
    )


async def test_sigterm_answers_what_is_in_hand_and_exits_clean(server):
    # One request is half sent when the signal comes; its other half follows, and it is answered.
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    head = f"POST /v1/rank HTTP/1.1\r\nHost: inference\r\nContent-Length: {len(BODY)}\r\n\r\n"
    writer.write((head + BODY[:20]).encode())
    await writer.drain()
    await asyncio.to_thread(until, lambda: "in_flight 1.0" in server.client.get("/metrics").text)
    server.client.close()
    server.child.send_signal(signal.SIGTERM)
    await asyncio.sleep(0.3)
    writer.write(BODY[20:].encode())
    answer = await asyncio.wait_for(reader.read(), PATIENCE_S)
    writer.close()
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert await asyncio.to_thread(server.child.wait, PATIENCE_S) == 0


def test_a_restart_with_the_registry_gone_serves_the_last_good_version(root, server):
    server.close()
    root.rename(root.with_name("gone"))
    again = Process(root)
    try:
        assert again.version() == "m1"
        state = again.client.get("/dependencies").json()["dependencies"][0]["state"]
        assert state == "down"
    finally:
        again.close()


def test_its_log_is_json_lines_that_name_the_port_and_the_model(server):
    events = {line["event"]: line for line in server.log()}
    assert events["inference_listening"]["port"] == server.port
    assert events["model_serving"]["version"] == "m1"
