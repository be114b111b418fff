"""The running stack: every part is paused, killed, cut off and replaced under load, and every request is answered."""

import json
import subprocess
import urllib.error
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from evershelf.drills.answers import Mishap
from evershelf.drills.load import Load, event_asks, events_stream
from evershelf.drills.plan import Ask, Plan, Stream
from tests.containers.conftest import PROJECT, USERS, Stack, eventually

RATE_PER_S = 40.0
EVENTS_PER_S = 5.0
SECONDS_MAX = 300.0
FAULT_S = 6.0
PARTS = ("inference-1", "inference-2", "gateway-1", "gateway-2", "postgres", "web", "refresher")
pytestmark = pytest.mark.timeout(900)


class Told:
    """What came of a load, once it is over."""

    def __init__(self) -> None:
        self.asked = self.lost = self.events = 0
        self.sources: Counter[str] = Counter()
        self.slowest_ms = 0.0
        self.losses: Counter[str] = Counter()

    def __str__(self) -> str:
        sources = ", ".join(f"{count} {name}" for name, count in self.sources.most_common())
        return (
            f"{self.asked} asked, {self.lost} lost, slowest {self.slowest_ms:.0f} ms; {sources}; {self.events} events"
            f"{''.join(f'; {count} {what}' for what, count in self.losses.items())}"
        )


@contextmanager
def load(stack: Stack) -> Iterator[Told]:
    """Asks for lists and sends events on a schedule while the block runs; then judges every answer."""
    headers = (("Authorization", f"Bearer {stack.key}"),)
    asks = tuple(Ask("GET", f"/v1/recommendations?user_id={user}&k=10", headers) for user in USERS)
    items = [item["item_id"] for item in stack.answer(USERS[0])["items"]]
    events = event_asks(stack.key, USERS[0], items, int(EVENTS_PER_S * SECONDS_MAX * 2))
    streams = (Stream("lists", (stack.port,), RATE_PER_S, asks), events_stream((stack.port,), events, EVENTS_PER_S))
    sending, told = Load(Plan(SECONDS_MAX, streams)), Told()
    try:
        yield told
        sending.end()
        for answer in sending.answers():
            good = answer.mishap is Mishap.NONE and answer.status == (200 if answer.stream == 0 else 202)
            told.lost += not good
            if not good:
                told.losses[f"{answer.mishap} {answer.status} at {answer.due_s - sending.began_s:.0f} s"] += 1
            told.asked += answer.stream == 0
            told.events += answer.stream == 1
            told.slowest_ms = max(told.slowest_ms, answer.latency_ms)
            if good and answer.stream == 0:
                body = json.loads(answer.body)
                assert len(body["items"]) == 10
                told.sources[body["source"]] += 1
    finally:
        sending.close()


def hold(seconds: float) -> None:
    """Lets the load meet the fault for so long."""
    subprocess.run(["sleep", str(seconds)], check=True)


def test_images_hold_what_they_should(stack: Stack):
    # Promise: no root, a root file system that nobody can write, no numpy beside the public API.
    def inside(service: str, command: str) -> str:
        return stack.compose("exec", "-T", service, "sh", "-c", command).strip()

    assert inside("gateway-1", "id -u; python -c 'import numpy' 2>&1 | tail -n 1") == (
        "10001\nModuleNotFoundError: No module named 'numpy'"
    )
    assert "asyncpg" in inside("inference-1", "python -c 'import asyncpg' 2>&1 | tail -n 1")
    for service in ("gateway-1", "inference-1", "refresher", "web", "postgres", "proxy"):
        assert inside(service, "id -u") != "0"
        assert "Read-only" in inside(service, "touch /usr/new 2>&1 || true") + inside(
            service, "touch /opt/new 2>&1 || true"
        )
        assert inside(service, "grep CapEff /proc/self/status").endswith("0000000000000000")
    for image in ("gateway", "inference", "training", "web"):
        words = ["docker", "image", "inspect", "--format", "{{.Size}}", f"evershelf/{image}:dev"]
        size = subprocess.run(words, env=stack.environment, capture_output=True, text=True, check=True).stdout
        print(f"\nevershelf/{image}: {int(size) / 1e6:.0f} MB", end="")


def test_only_the_proxy_and_the_web_part_are_published(stack: Stack):
    # Promise: metrics, PostgreSQL, gateways and inference cannot be reached from outside the inner network.
    with pytest.raises(urllib.error.HTTPError, match="404"):
        stack.get("/metrics")
    assert b"Evershelf" in stack.get("/", port=stack.web_port) or stack.get("/healthz", port=stack.web_port)
    words = ["docker", "network", "inspect", "--format", "{{.Internal}}", f"{PROJECT}_inside"]
    assert subprocess.run(words, env=stack.environment, capture_output=True, text=True, check=True).stdout == "true\n"


def paused(stack: Stack, part: str) -> Callable[[], None]:
    stack.docker("pause", part)
    return lambda: stack.docker("unpause", part)


def killed(stack: Stack, part: str) -> Callable[[], None]:
    stack.docker("kill", part)
    return lambda: stack.docker("start", part)


def cut_off(stack: Stack, part: str) -> Callable[[], None]:
    stack.network("disconnect", part)
    return lambda: stack.network("connect", part)


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("fault", [paused, killed, cut_off])
def test_no_fault_of_one_part_loses_a_request(stack: Stack, fault, part: str):
    # Promise: with one part frozen, dead or cut off, and while it comes back, every list and event is answered.
    with load(stack) as told:
        hold(2)
        mend = fault(stack, part)
        hold(FAULT_S)
        mend()
        took_s = eventually(stack.whole, f"{part} is back")
    print(f"\n{part} {fault.__name__}: {told}; whole again after {took_s:.1f} s", end="")
    assert told.lost == 0
    assert told.asked > RATE_PER_S * FAULT_S / 2


def test_both_inference_and_postgres_gone_leave_the_shelf_full(stack: Stack):
    # Promise: without model and PostgreSQL every request is answered from the baseline, and events are kept.
    gone = ("inference-1", "inference-2", "postgres")
    with load(stack) as told:
        for part in gone:
            stack.docker("kill", part)
        hold(FAULT_S)
        assert stack.model_answers() == 0
        for part in gone:
            stack.docker("start", part)
        took_s = eventually(stack.whole, "all are back")
    print(f"\nno model, no PostgreSQL: {told}; whole again after {took_s:.1f} s", end="")
    assert told.lost == 0


def test_a_rolling_restart_of_every_service_loses_no_request(stack: Stack):
    # Promise: an upgrade replaces one container after the other under load, and 0 requests are lost.
    with load(stack) as told:
        for part in PARTS:
            stack.compose("up", "--no-build", "--no-deps", "--detach", "--force-recreate", "--wait", part)
            eventually(stack.whole, f"{part} is replaced")
        stack.docker("kill --signal USR2", "proxy")  # its way to take a new configuration
        hold(3)
        eventually(stack.whole, "the proxy has reloaded")
    print(f"\nrolling restart of {len(PARTS)} services and the proxy's reload: {told}", end="")
    assert told.lost == 0
    assert told.asked > 100


def test_the_observability_profile_watches_every_process(stack: Stack):
    # Promise: Prometheus scrapes all four processes and knows the rules. (Grafana has no stand-in here.)
    stack.compose("up", "--no-build", "--detach", "prometheus", "alertmanager")
    port = int(stack.environment["EVERSHELF_PROMETHEUS_PORT"])

    def all_up() -> bool:
        targets = json.loads(stack.get("/api/v1/targets", port=port))["data"]["activeTargets"]
        return len(targets) == 4 and all(target["health"] == "up" for target in targets)

    eventually(all_up, "four targets are scraped")
    groups = json.loads(stack.get("/api/v1/rules", port=port))["data"]["groups"]
    assert sum(rule["type"] == "alerting" for group in groups for rule in group["rules"]) >= 20
    managers = json.loads(stack.get("/api/v1/alertmanagers", port=port))["data"]["activeAlertmanagers"]
    assert len(managers) == 1
