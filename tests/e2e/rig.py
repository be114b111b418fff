"""The real processes of one installation, started and killed one by one: nothing here restarts what dies."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from evershelf.storage.embedded import EmbeddedPostgres
from evershelf.supervision.installation import free_port
from evershelf.supervision.process import die_with_parent

READY_TIMEOUT_S = 90.0
KEY_SECRET = "5f" * 32


@dataclass
class Rig:
    """A data folder with PostgreSQL, inference and gateway as children of the test."""

    folder: Path
    gateway_port: int = field(default_factory=free_port)
    inference_port: int = field(default_factory=free_port)
    postgres: EmbeddedPostgres | None = None
    children: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    logs: list[IO[bytes]] = field(default_factory=list)
    database_url: str = ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.gateway_port}"

    def start_postgres(self) -> None:
        self.postgres = EmbeddedPostgres.start(self.folder / "postgres")
        self.postgres.wait_ready()
        self.database_url = self.postgres.url

    def kill_postgres(self) -> None:
        assert self.postgres is not None
        os.kill(self.postgres.pid, signal.SIGKILL)
        self.postgres.stop()

    def start_inference(self) -> None:
        self.start(
            "inference", (sys.executable, "-m", "evershelf.inference"), f"http://127.0.0.1:{self.inference_port}/readyz"
        )

    def start_gateway(self) -> None:
        self.start("gateway", (sys.executable, "-m", "evershelf.gateway"), f"{self.url}/readyz")

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> None:
        child = self.children.pop(name)
        child.send_signal(number)
        child.wait(timeout=READY_TIMEOUT_S)

    def command(self, *arguments: str) -> dict[str, object]:
        """Runs one verb of the command line with --json and returns what it printed."""
        command = [sys.executable, "-m", "evershelf.cli.main", *arguments, "--json"]
        done = subprocess.run(command, env=self._environment(), capture_output=True, check=False, timeout=600)
        assert done.returncode == 0, f"{arguments}: {done.stderr.decode()}"
        return json.loads(done.stdout)

    def stop(self) -> None:
        for name in list(self.children):
            self.kill(name)
        if self.postgres is not None:
            self.postgres.stop()
        for log in self.logs:
            log.close()

    def start(
        self, name: str, command: Sequence[str], ready_url: str, environment: Mapping[str, str] | None = None
    ) -> None:
        """Starts a child and returns once `ready_url` answers 200."""
        log = (self.folder / f"{name}.log").open("ab")
        self.logs.append(log)
        self.children[name] = subprocess.Popen(
            command,
            env={**self._environment(), **(environment or {})},
            stdout=log,
            stderr=log,
            preexec_fn=die_with_parent(),  # noqa: PLW1509 - this process has no threads of its own here
        )
        self._await(name, ready_url)

    def _await(self, name: str, url: str) -> None:
        deadline_s = time.monotonic() + READY_TIMEOUT_S
        while time.monotonic() < deadline_s:
            assert self.children[name].poll() is None, (self.folder / f"{name}.log").read_text()[-3_000:]
            try:
                with urllib.request.urlopen(url, timeout=1):
                    return
            except OSError:
                time.sleep(0.05)
        raise TimeoutError(f"{name} was not ready in {READY_TIMEOUT_S} s")

    def _environment(self) -> Mapping[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "PYTHONWARNINGS": "error::ResourceWarning",
            "EVERSHELF_DATABASE_URL": self.database_url,
            "EVERSHELF_REGISTRY": str(self.folder / "registry"),
            "EVERSHELF_KEY_SECRET": KEY_SECRET,
            "EVERSHELF_TRAINING_CANDIDATES_MAX": "2",  # any model does
            "EVERSHELF_GATEWAY_PORT": str(self.gateway_port),
            "EVERSHELF_GATEWAY_DATA_DIR": str(self.folder / "gateway"),
            "EVERSHELF_INFERENCE_URL": f"http://127.0.0.1:{self.inference_port}",
            "EVERSHELF_INFERENCE_PORT": str(self.inference_port),
            "EVERSHELF_INFERENCE_CACHE_DIR": str(self.folder / "inference"),
        }
