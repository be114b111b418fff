"""The gateway starts first, with nothing around it, and takes up each part when it comes."""

import asyncio
import os
import subprocess
import sys

import httpx2

from evershelf.registry.store import DirectoryRegistry
from evershelf.storage.catalog import upsert_items
from evershelf.storage.embedded import EmbeddedPostgres
from evershelf.storage.events import store_events
from evershelf.storage.migrate import migrate
from evershelf.storage.postgres import open_pool
from evershelf.training.snapshot import refresh
from tests.gateway.gateway_world import PATIENCE_S, SECRET, items, make_keys, past_events, unused_port
from tests.inference.fake_model import publish_champion
from tests.inference.test_process import Process, until

IDS = ("mugs-0", "mugs-1", "mugs-2", "mugs-3")
ASK = "/v1/recommendations?user_id=buyer-0"


async def furnish(url: str) -> dict[str, str]:
    await migrate(url)
    pool = await open_pool(url)
    try:
        await upsert_items(pool, items())
        await store_events(pool, past_events())
        return await make_keys(pool)
    finally:
        await pool.close()


def test_the_gateway_first_then_postgresql_then_a_model_and_inference(open_tmp_path):
    # Promise: live at once; keys and a baseline with PostgreSQL; the model's list with inference. Nothing is restarted.
    server = EmbeddedPostgres.start(open_tmp_path / "postgres")
    try:
        server.wait_ready()
        url, keys = server.url, asyncio.run(furnish(server.url))
    finally:
        server.stop()
    inference_port, port = unused_port(), unused_port()
    environment = {
        "EVERSHELF_KEY_SECRET": SECRET,
        "EVERSHELF_DATABASE_URL": url,
        "EVERSHELF_REGISTRY": str(open_tmp_path / "registry"),
        "EVERSHELF_GATEWAY_PORT": str(port),
        "EVERSHELF_GATEWAY_DATA_DIR": str(open_tmp_path / "gateway"),
        "EVERSHELF_INFERENCE_URL": f"http://127.0.0.1:{inference_port}",
        "EVERSHELF_GATEWAY_HOLDOUT_SHARE": "0",
        "EVERSHELF_GATEWAY_LOOP_LAG_MS_MAX": "60000",
    }
    gateway = subprocess.Popen(
        [sys.executable, "-m", "evershelf.gateway"], env=os.environ | environment, stdout=subprocess.DEVNULL
    )
    inference = None
    client = httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE_S)
    client.headers |= {"Authorization": f"Bearer {keys['admin']}", "X-Request-Deadline-Ms": "2000"}

    def answered() -> httpx2.Response | None:
        try:
            return client.get(ASK)
        except httpx2.TransportError:
            return None

    def source() -> str | None:
        answer = answered()
        return answer.json()["source"] if answer is not None and answer.status_code == 200 else None

    try:
        until(lambda: answered() is not None)
        assert answered().status_code == 401  # no key can be known yet: the door stays shut
        assert client.get("/livez").status_code == 200
        server = EmbeddedPostgres.start(open_tmp_path / "postgres", port=int(url.rpartition(":")[2].partition("/")[0]))
        until(lambda: source() is not None)
        assert source() != "model"
        publish_champion(open_tmp_path / "registry", "m1", ids=IDS)
        inference = Process(open_tmp_path / "registry", EVERSHELF_INFERENCE_PORT=str(inference_port))
        refresh(url, DirectoryRegistry(open_tmp_path / "registry"))  # the model's items must be on the shelf
        until(lambda: source() == "model")
        assert gateway.poll() is None
    finally:
        client.close()
        gateway.terminate()
        gateway.wait()
        if inference is not None:
            inference.close()
        server.stop()
