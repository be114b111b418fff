"""Keeps the processes of an installation running: starts them, restarts what dies, stops them in order."""

import json
import os
import random
import signal
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from evershelf.storage.errors import StorageError

POLL_INTERVAL_S = 0.1
# A service that lived this long has recovered: its next death counts as the first.
STABLE_AFTER_S = 30.0
DOUBLINGS_MAX = 20
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Service(Protocol):
    """Something that runs as a process of its own and may be started again after it ended."""

    name: str
    port: int | None

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""

    def start(self) -> None:
        """Start it; OSError or StorageError if that is impossible now."""

    def exit_code(self) -> int | None:
        """None while it runs."""

    def stop(self, grace_s: float) -> None:
        """End it, after at most `grace_s` by force; return when it is gone."""

    def tend(self) -> None:
        """Small upkeep, called every round."""


class ServiceState(StrEnum):
    """What the supervisor last knew of a service."""

    RUNNING = "running"
    WAITING = "waiting"  # died; will be started again
    STOPPED = "stopped"


@dataclass(frozen=True)
class ServiceStatus:
    """One line of the status file."""

    name: str
    state: ServiceState
    pid: int | None
    port: int | None
    restarts: int
    last_exit_code: int | None


@dataclass(frozen=True)
class RestartPolicy:
    """How long to wait before a restart: full jitter below an exponential bound that has a cap."""

    delay_min_s: float
    delay_max_s: float

    def delay_s(self, failures: int, chance: float) -> float:
        """The wait after the `failures`-th death in a row; `chance` in 0..1 spreads restarts of many services.

        Full jitter: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
        """
        bound_s = self.delay_min_s * 2.0 ** min(failures - 1, DOUBLINGS_MAX)
        return chance * min(self.delay_max_s, bound_s)


@dataclass
class _Watched:
    service: Service
    state: ServiceState
    started_at_s: float
    restart_at_s: float = 0.0
    failures: int = 0
    restarts: int = 0
    last_exit_code: int | None = None

    def status(self) -> ServiceStatus:
        running = self.state is ServiceState.RUNNING
        pid = self.service.pid if running else None
        return ServiceStatus(self.service.name, self.state, pid, self.service.port, self.restarts, self.last_exit_code)


class Supervisor:
    """Watches services; one thread, and it ends only processes that it started itself."""

    def __init__(
        self,
        policy: RestartPolicy,
        *,
        status_path: Path,
        grace_s: float,
        on_event: Callable[[str], None] = lambda _line: None,
        clock_s: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._policy = policy
        self._status_path = status_path
        self._grace_s = grace_s
        self._on_event = on_event
        self._clock_s = clock_s
        self._chance = chance
        self._watched: list[_Watched] = []
        self._written = ""

    def start(self, service: Service) -> None:
        """Start `service` and watch it from now on. Raises OSError if it cannot be started at all."""
        service.start()
        self._watched.append(_Watched(service, ServiceState.RUNNING, self._clock_s()))
        self._write_status()

    def tend(self) -> None:
        """One round of the watch: notice deaths, restart what is due, keep logs and the status file."""
        for watched in self._watched:
            watched.service.tend()
            if watched.state is ServiceState.RUNNING and watched.service.exit_code() is not None:
                self._note_death(watched)
            if watched.state is ServiceState.WAITING and self._clock_s() >= watched.restart_at_s:
                self._restart(watched)
        self._write_status()

    def watch(self) -> None:
        """Tend the services until SIGINT, SIGTERM or SIGHUP."""
        obey_signals()
        try:
            while True:
                self.tend()
                time.sleep(POLL_INTERVAL_S)
        except KeyboardInterrupt:
            self._on_event("stopping")

    def stop(self) -> None:
        """Stop everything, the last started first, within the grace time. A second Ctrl-C does not cut it short."""
        previous = {number: signal.signal(number, signal.SIG_IGN) for number in STOP_SIGNALS}
        try:
            ends_at_s = self._clock_s() + self._grace_s
            for left, watched in reversed(list(enumerate(self._watched, start=1))):
                # Each of those left gets an equal part of what is left, so that none can use up the others' time.
                watched.service.stop(max(0.1, ends_at_s - self._clock_s()) / left)
                watched.state = ServiceState.STOPPED
                self._write_status()
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    def statuses(self) -> tuple[ServiceStatus, ...]:
        """What is known of every service, in the order of their start."""
        return tuple(watched.status() for watched in self._watched)

    def _note_death(self, watched: _Watched) -> None:
        now_s = self._clock_s()
        if now_s - watched.started_at_s >= STABLE_AFTER_S:
            watched.failures = 0
        watched.last_exit_code = watched.service.exit_code()
        self._plan_restart(watched, f"ended with {_told(watched.last_exit_code)}")

    def _plan_restart(self, watched: _Watched, what: str) -> None:
        watched.failures += 1
        delay_s = self._policy.delay_s(watched.failures, self._chance())
        watched.restart_at_s = self._clock_s() + delay_s
        watched.state = ServiceState.WAITING
        self._on_event(f"{watched.service.name} {what}; starting it again in {delay_s:.1f} s")

    def _restart(self, watched: _Watched) -> None:
        try:
            watched.service.start()
        except (OSError, StorageError) as error:
            self._plan_restart(watched, f"could not be started: {error}")
            return
        watched.state = ServiceState.RUNNING
        watched.started_at_s = self._clock_s()
        watched.restarts += 1
        self._on_event(f"{watched.service.name} runs again, pid {watched.service.pid}")

    def _write_status(self) -> None:
        body = json.dumps({"pid": os.getpid(), "services": [asdict(status) for status in self.statuses()]}, indent=2)
        if body == self._written:
            return
        draft = self._status_path.with_name(f".{self._status_path.name}.draft")
        try:
            draft.write_text(body + "\n")
            draft.replace(self._status_path)
        except OSError:
            return  # a full disk must not stop the watch; the next round tries again
        self._written = body


def obey_signals() -> None:
    """From now on SIGTERM and a closed terminal end the program as Ctrl-C does: by KeyboardInterrupt, in order."""
    for number in STOP_SIGNALS:
        signal.signal(number, signal.default_int_handler)


def _told(exit_code: int | None) -> str:
    if exit_code is not None and exit_code < 0:
        return f"signal {-exit_code}"
    return f"exit code {exit_code}"
