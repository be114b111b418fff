"""The real processes of one installation behind the fault proxy. Nothing here restarts what dies; only these are ended.

caller -> gateway(s) -> proxy -> inference            Everything lies in one folder of the run's own, on free ports.
                     -> proxy -> PostgreSQL
"""

import os
import signal
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import asyncpg

from evershelf.drills.proxy import FaultProxy
from evershelf.drills.shop import Shop, look_over, prepare
from evershelf.storage.embedded import EmbeddedPostgres
from evershelf.supervision.installation import free_port
from evershelf.supervision.process import Command, Process, children_of

INFERENCE = "inference"
POSTGRES = "postgres"
GATEWAY = "gateway"
READY_TIMEOUT_S = 90.0
END_TIMEOUT_S = 15.0
LOG_BYTES_MAX = 64 * 2**20
KEY_SECRET = "5f" * 32  # of a throw-away installation that only this process can reach
POLL_S = 0.02


class RigFailedError(Exception):
    """A process of the rig did not do what it should; the message ends with its log."""


class Rig:
    """One installation under test. Start it from the main thread: its processes end with that thread."""

    def __init__(self, folder: Path, *, seed: int) -> None:
        self.folder = folder
        self.seed = seed
        self.inference_port = free_port()
        self.processes: dict[str, Process] = {}
        self.ports: dict[str, int] = {}
        self.warm_pid: int | None = None  # the gateway whose histories are in memory, and since when
        self.warm_at_s = 0.0
        self._postgres: EmbeddedPostgres | None = None
        self._proxy: FaultProxy | None = None
        self._shop: Shop | None = None
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def proxy(self) -> FaultProxy:
        """The proxy; `start` made it."""
        assert self._proxy is not None, "start() comes first"
        return self._proxy

    @property
    def postgres(self) -> EmbeddedPostgres:
        """The server; `start` made it."""
        assert self._postgres is not None, "start() comes first"
        return self._postgres

    @property
    def shop(self) -> Shop:
        """What the harness knows of the shop; `start` made it."""
        assert self._shop is not None, "start() comes first"
        return self._shop

    async def start(self) -> None:
        """Everything up: PostgreSQL, proxy, the shop (made on first use of the folder), inference, one gateway."""
        self.start_postgres()
        port = int(self.postgres.url.rpartition(":")[2].partition("/")[0])
        self._proxy = FaultProxy({INFERENCE: self.inference_port, POSTGRES: port}, seed=self.seed)
        keys = prepare(self.folder, self.environment(direct=True), seed=7)
        self._shop = await look_over(self.postgres.url, keys)
        self.start_inference()
        self.start_gateway()

    def close(self) -> None:
        """Ends every process of the rig, also frozen ones."""
        for process in self.processes.values():
            if process.pid is not None:
                os.kill(process.pid, signal.SIGCONT)
                process.stop(END_TIMEOUT_S)
        if self._postgres is not None:
            self.signal_postgres(signal.SIGCONT)
            self._postgres.stop()
        if self._proxy is not None:
            self._proxy.close()

    # PostgreSQL -------------------------------------------------------------------------------------------------

    def start_postgres(self) -> None:
        """Starts the server, with a recovery if it was killed."""
        self._postgres = EmbeddedPostgres.start(self.folder / "postgres")
        self._postgres.wait_ready()

    def stop_postgres(self) -> None:
        """As `pg_ctl stop -m immediate`: no checkpoint, connections cut; the next start recovers."""
        os.kill(self.postgres.pid, signal.SIGQUIT)
        self.postgres.stop()

    def signal_postgres(self, number: signal.Signals) -> None:
        """Signals the server and all of its processes."""
        for pid in [self.postgres.pid, *children_of(self.postgres.pid)]:
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    async def sql(self, *statements: str) -> list[asyncpg.Record]:
        """Runs statements past the proxy, each in a transaction of its own; the rows of the last."""
        connection = await asyncpg.connect(self.postgres.url, timeout=READY_TIMEOUT_S)
        try:
            rows: list[asyncpg.Record] = []
            for statement in statements:
                rows = await connection.fetch(statement)
            return rows
        finally:
            await connection.close()

    # Inference and gateways -------------------------------------------------------------------------------------

    def start_inference(self, **settings: str) -> None:
        """Starts inference and waits until it has a model."""
        self._start(INFERENCE, "evershelf.inference", self.inference_port, self.environment() | settings)

    def start_gateway(
        self, name: str = GATEWAY, *, data_dir: Path | None = None, log_path: Path | None = None, **settings: str
    ) -> float:
        """Starts a gateway on the port it had before, if any; returns the seconds until it was ready."""
        began_s = time.monotonic()
        port = self.ports.setdefault(name, free_port())
        environment = self.environment() | {
            "EVERSHELF_GATEWAY_PORT": str(port),
            "EVERSHELF_GATEWAY_DATA_DIR": str(data_dir or self.folder / name),
            **settings,
        }
        self._start(name, "evershelf.gateway", port, environment, log_path)
        return time.monotonic() - began_s

    def start_again(self, name: str) -> None:
        """Starts what has ended as it was started before, and waits until it is ready."""
        self.processes[name].start()
        self.await_answer(name, f"{self.url(name)}/readyz")

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> None:
        """Sends the signal and waits until the process has ended."""
        process = self.processes[name]
        if process.pid is not None:
            os.kill(process.pid, number)
        give_up_at_s = time.monotonic() + END_TIMEOUT_S
        while process.exit_code() is None:
            if time.monotonic() > give_up_at_s:
                raise RigFailedError(f"{name} outlived {number.name} by {END_TIMEOUT_S} s")
            time.sleep(POLL_S)

    def signal(self, name: str, number: signal.Signals) -> None:
        """Sends the signal, if the process runs."""
        if (pid := self.processes[name].pid) is not None:
            os.kill(pid, number)

    def is_running(self, name: str) -> bool:
        """Whether a process of that name runs."""
        return name in self.processes and self.processes[name].exit_code() is None

    def url(self, name: str = GATEWAY) -> str:
        """Where a process listens."""
        return f"http://127.0.0.1:{self.ports[name]}"

    def metrics(self, name: str = GATEWAY) -> dict[str, float]:
        """Every series of a gateway's /metrics, by its name with labels; empty where it does not answer."""
        text = fetch(f"{self.url(name)}/metrics")
        rows = (line.rpartition(" ") for line in (text or "").splitlines() if line and not line.startswith("#"))
        return {name: float(value) for name, _, value in rows}

    def memory_bytes(self, name: str = GATEWAY) -> int:
        """Resident memory of a process; 0 where it does not run."""
        for line in self._proc(name, "status").splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1_024
        return 0

    def descriptors(self, name: str = GATEWAY) -> int:
        """Open descriptors of a process; 0 where it does not run."""
        pid = self.processes[name].pid
        with suppress(OSError):
            return len(list(Path(f"/proc/{pid}/fd").iterdir()))
        return 0

    def log(self, name: str) -> str:
        """What a process has written so far."""
        path = self.folder / f"{name}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def environment(self, *, direct: bool = False) -> dict[str, str]:
        """The settings of every part; `direct` goes past the proxy to PostgreSQL."""
        url = self.postgres.url
        inference_port = self.inference_port
        if not direct:
            head, _, tail = url.rpartition(":")
            url = f"{head}:{self.proxy.ports[POSTGRES]}/{tail.partition('/')[2]}"
            inference_port = self.proxy.ports[INFERENCE]
        kept: Mapping[str, str] = {name: value for name, value in os.environ.items() if "EVERSHELF" not in name}
        return {
            **kept,
            "EVERSHELF_CONFIG": str(self.folder / "no-settings.toml"),
            "EVERSHELF_DATABASE_URL": url,
            "EVERSHELF_REGISTRY": str(self.folder / "registry"),
            "EVERSHELF_KEY_SECRET": KEY_SECRET,
            # A rehearsal counts what the model answers: nobody is held out from it.
            "EVERSHELF_GATEWAY_HOLDOUT_SHARE": "0",
            "EVERSHELF_INFERENCE_URL": f"http://127.0.0.1:{inference_port}",
            "EVERSHELF_INFERENCE_PORT": str(self.inference_port),
            "EVERSHELF_INFERENCE_CACHE_DIR": str(self.folder / "inference"),
        }

    def _start(
        self, name: str, module: str, port: int, environment: Mapping[str, str], log_path: Path | None = None
    ) -> None:
        self.ports[name] = port
        command = Command(name, (sys.executable, "-m", module), environment, port)
        log_path = log_path or self.folder / f"{name}.log"
        self.processes[name] = Process(command, log_path, log_size_max_bytes=LOG_BYTES_MAX)
        self.start_again(name)

    def await_answer(self, name: str, url: str) -> None:
        """Returns once `url` answers 200. Raises RigFailedError when the process ends or the time is over."""
        give_up_at_s = time.monotonic() + READY_TIMEOUT_S
        while fetch(url) is None:
            if self.processes[name].exit_code() is not None or time.monotonic() > give_up_at_s:
                raise RigFailedError(f"{name} is not ready:\n{self.log(name)[-2_000:]}")
            time.sleep(POLL_S)

    def _proc(self, name: str, file: str) -> str:
        with suppress(OSError):
            return Path(f"/proc/{self.processes[name].pid}/{file}").read_text()
        return ""


def fetch(url: str, *, timeout_s: float = 10.0) -> str | None:
    """The text of a URL of our own that answers 200; None for everything else."""
    try:
        with urllib.request.urlopen(url, timeout=timeout_s) as answer:  # noqa: S310 - loopback, our own processes
            return str(answer.read().decode())
    except (OSError, ValueError):
        return None
