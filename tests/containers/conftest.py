"""A running stack of compose.yaml with the demo shop in it; `make containers-test` builds images and sets a switch."""

import json
import os
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SWITCH = "EVERSHELF_TEST_CONTAINERS"
PROJECT = "evershelf-test"
PATIENCE_S = 300.0
# The longest there is: what a busy machine is late with must not look like a model that is gone.
DEADLINE_MS = "2000"
# One-shots of the stack end by themselves; these go on.
SERVICES = ("postgres", "inference-1", "inference-2", "gateway-1", "gateway-2", "proxy", "web", "refresher")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Without the switch nothing of this folder runs: it takes minutes and needs images."""
    if not os.environ.get(SWITCH):
        for item in items:
            if Path(__file__).parent in item.path.parents:
                item.add_marker(pytest.mark.skip(reason="runs with `make containers-test`"))


class Stack:
    """The containers of one compose project, and what a test does to them."""

    def __init__(self, environment: dict[str, str], port: int, web_port: int) -> None:
        self.environment, self.port, self.web_port = environment, port, web_port
        self.key = environment["EVERSHELF_OPERATOR_KEY"]

    def compose(self, *words: str) -> str:
        """Runs `docker compose`; what it said on standard output. Fails the test if it fails."""
        return _run(["docker", "compose", "-p", PROJECT, "--profile", "observability", *words], self.environment)

    def docker(self, verb: str, service: str, *words: str) -> None:
        """Does `verb` to the service's container, behind compose's back."""
        _run(["docker", *verb.split(), *words, f"{PROJECT}-{service}-1"], self.environment)

    def network(self, verb: str, service: str) -> None:
        """Takes the service out of the inner network, or back into it under its name."""
        alias = ["--alias", service] if verb == "connect" else []
        _run(["docker", "network", verb, *alias, f"{PROJECT}_inside", f"{PROJECT}-{service}-1"], self.environment)

    def get(self, path: str, *, port: int | None = None) -> bytes:
        """The body of a GET through the proxy. Raises URLError or OSError."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{port or self.port}{path}",
            headers={"Authorization": f"Bearer {self.key}", "X-Request-Deadline-Ms": DEADLINE_MS},
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=5) as reply:
            return reply.read()

    def answer(self, user: str) -> dict:
        """One recommendation."""
        return json.loads(self.get(f"/v1/recommendations?user_id={user}&k=10"))

    def model_answers(self) -> int:
        """How many of ten users the model answers now; a holdout and a busy machine may keep some from it."""
        return sum(self.answer(user)["source"] == "model" for user in USERS[:10])

    def whole(self) -> bool:
        """Whether every container is well, and inference's model answers again."""
        told = self.compose("ps", "--format", "{{.Service}} {{.Status}}").splitlines()
        states = dict(line.split(" ", 1) for line in told)
        up = all(states.get(name, "").startswith("Up") for name in SERVICES)
        well = up and not any(
            "unhealthy" in state or "starting" in state or "Paused" in state for state in states.values()
        )
        return well and self.model_answers() >= 5


USERS = [f"user-{number:04d}" for number in range(100, 200)]


def eventually(promise: Callable[[], bool], what: str, *, seconds: float = PATIENCE_S) -> float:
    """Looks again until the promise holds; how long it took, in seconds. Fails when patience ends."""
    began = time.monotonic()
    last: Exception | None = None
    while time.monotonic() - began < seconds:
        try:
            if promise():
                return time.monotonic() - began
        except (urllib.error.URLError, OSError, ValueError) as error:
            last = error
        time.sleep(0.25)
    pytest.fail(f"{what}: not within {seconds:.0f} s ({last})")


def _run(command: list[str], environment: dict[str, str]) -> str:
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=1_500, check=False
    )
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr[-2000:]}"
    return done.stdout


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Comes up from nothing with secrets of its own, gets a shop and a model, and leaves nothing behind."""
    file = tmp_path_factory.mktemp("stack") / "secrets"
    subprocess.run([ROOT / "deploy" / "compose" / "make-secrets", file], check=True, capture_output=True)
    port = int(os.environ.get("EVERSHELF_TEST_PORT", "18380"))
    ports = {
        "EVERSHELF_PORT": port,
        "EVERSHELF_WEB_PORT": port + 1,
        "EVERSHELF_PROMETHEUS_PORT": port + 2,
        "EVERSHELF_ALERTMANAGER_PORT": port + 3,
    }
    secrets = dict(line.split("=") for line in file.read_text().splitlines())
    stack = Stack({**os.environ, **secrets, **{name: str(value) for name, value in ports.items()}}, port, port + 1)
    try:
        began = time.monotonic()
        stack.compose("up", "--no-build", "--detach", "--wait", *SERVICES)
        print(f"\nfrom nothing to all healthy: {time.monotonic() - began:.0f} s")
        began = time.monotonic()
        stack.compose("run", "--rm", "-e", "EVERSHELF_TRAINING_CANDIDATES_MAX=3", "demo")
        print(f"demo shop imported, trained, published: {time.monotonic() - began:.0f} s")
        eventually(stack.whole, "the model answers")
        yield stack
    except BaseException:
        print(
            subprocess.run(
                ["docker", "compose", "-p", PROJECT, "logs", "--tail", "15"],
                cwd=ROOT,
                env=stack.environment,
                capture_output=True,
                text=True,
                check=False,
            ).stdout
        )
        raise
    finally:
        stack.compose(
            "--profile", "demo", "--profile", "training", "down", "--volumes", "--remove-orphans", "--timeout", "5"
        )
