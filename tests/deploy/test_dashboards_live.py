"""Every panel of every dashboard shows something of a real stack under load: `make dashboards-live`."""

import asyncio
import os
import shutil
import sys
from pathlib import Path

import httpx2
import pytest
import yaml

from evershelf.contracts.manifest import RolloutPlan
from evershelf.contracts.training import RunOutcome, Verdict
from evershelf.registry.store import DirectoryRegistry, challenge
from evershelf.storage.training_runs import record_run
from tests.deploy.test_alerts import PROMETHEUS, dashboard_expressions
from tests.gateway.gateway_world import open_world, raw_event, unused_port
from tests.inference.fake_model import model_folder, publish_champion
from tests.inference.test_process import Process

IDS = ("mugs-0", "mugs-1", "mugs-2", "mugs-3")
BINARY = shutil.which("prometheus", path=f"{os.environ['PATH']}{os.pathsep}{Path(sys.executable).parent}")
LOOKS_MAX = 60

pytestmark = [
    pytest.mark.skipif(
        os.environ.get("EVERSHELF_TEST_PROMETHEUS") != "1", reason="takes minutes: make dashboards-live"
    ),
    pytest.mark.skipif(BINARY is None, reason="no prometheus: run `make dashboards-live`"),
    pytest.mark.timeout(540),
]


def configured(folder: Path, gateway: int, inference: int) -> Path:
    """The example configuration with our addresses, and every second."""
    shutil.copy(PROMETHEUS / "evershelf.rules.yaml", folder)
    told = yaml.safe_load((PROMETHEUS / "prometheus.yaml").read_text())
    told["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    for job, port in zip(told["scrape_configs"], (gateway, inference), strict=True):
        job["static_configs"] = [{"targets": [f"127.0.0.1:{port}"]}]
    path = folder / "prometheus.yaml"
    path.write_text(yaml.safe_dump(told))
    return path


async def load(world, until_done: asyncio.Event) -> None:
    """Shoppers who ask and report, one who knows no item, until told to stop."""
    number = 0
    while not until_done.is_set():
        number += 1
        headers = {"X-Request-Deadline-Ms": "2000"}
        await world.client.get(f"/v1/recommendations?user_id=buyer-{number % 12}", headers=headers)
        event = raw_event(user_id=f"buyer-{number % 12}", item_id=f"mugs-{number % 6}")
        await world.client.post("/v1/events", json={"events": [event]})
        await asyncio.sleep(0.05)


async def empty_panels(client: httpx2.AsyncClient) -> list[str]:
    """Titles and expressions of panels that show nothing now."""
    found = []
    for title, expression in dashboard_expressions():
        answer = await client.get("/api/v1/query", params={"query": expression.replace("$placement", ".*")})
        body = answer.json()
        assert body["status"] == "success", (title, expression, body)
        if not body["data"]["result"]:
            found.append(f"{title}: {expression}")
    return found


async def test_every_panel_shows_something_of_a_loaded_stack(postgres, tmp_path):
    # Promise: no expression of a dashboard is empty once each kind of thing has happened: outages, a trial, training.
    root, port, inference_port = tmp_path / "registry", unused_port(), unused_port()
    registry = publish_champion(root, "m1", ids=IDS)
    given = {"inference_url": f"http://127.0.0.1:{inference_port}", "gateway_rollout_poll_s": 0.2}
    async with open_world(postgres.url, tmp_path, **given) as world:
        url = world.settings.database_url.get_secret_value()
        await record_run(url, RunOutcome.PROMOTED, "m1", {Verdict.OK: 8}, actor="test")
        log = (tmp_path / "prometheus.log").open("wb")
        prometheus = await asyncio.create_subprocess_exec(
            BINARY, f"--config.file={configured(tmp_path, world.port, inference_port)}",
             f"--storage.tsdb.path={tmp_path / 'tsdb'}", f"--web.listen-address=127.0.0.1:{port}",
            stdout=log, stderr=log,
        )  # fmt: skip
        done = asyncio.Event()
        inference, shoppers = None, asyncio.create_task(load(world, done))  # inference is away at first
        try:
            await asyncio.sleep(3)
            inference = await asyncio.to_thread(Process, root, EVERSHELF_INFERENCE_PORT=str(inference_port))
            folder = tmp_path / "made-m2"
            registry.publish("models", model_folder(folder, "m2", ids=IDS), folder)
            plan = RolloutPlan(shadow_share=1.0)
            challenge(DirectoryRegistry(root), "m2", plan, moved_by="test", reason="test")
            async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
                empty = ["not looked yet"]
                for _ in range(LOOKS_MAX):
                    await asyncio.sleep(3)
                    empty = await empty_panels(client)
                    if not empty:
                        break
            print(f"{len(dashboard_expressions())} expressions, {len(empty)} empty")
            assert empty == []
        finally:
            done.set()
            await shoppers
            prometheus.terminate()
            await prometheus.wait()
            log.close()
            if inference is not None:
                await asyncio.to_thread(inference.close)
