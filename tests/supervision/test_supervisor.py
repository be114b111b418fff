"""The supervisor keeps processes running, and leaves none behind."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from evershelf.supervision.process import Command, Process
from evershelf.supervision.supervisor import RestartPolicy, ServiceState, Supervisor

WAIT_S = 15.0
SLEEPER = (sys.executable, "-c", "import time; time.sleep(60)")
# Does not listen to SIGTERM: only force ends it.
STUBBORN = (
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)",
)
SUPERVISOR_PROGRAM = """
import sys, time
from pathlib import Path
from evershelf.supervision.process import Command, Process
command = Command("child", (sys.executable, "-c", "import time; time.sleep(60)"))
child = Process(command, Path(sys.argv[1]), log_size_max_bytes=1000)
child.start()
print(child.pid, flush=True)
time.sleep(60)
"""


class FakeService:
    """A service that dies when told to, and counts its starts."""

    name = "fake"
    port = None
    pid = 1

    def __init__(self) -> None:
        self.starts = 0
        self.dead_with: int | None = None
        self.refuses = False

    def start(self) -> None:
        if self.refuses:
            raise OSError("no room")
        self.starts += 1
        self.dead_with = None

    def exit_code(self) -> int | None:
        return self.dead_with

    def stop(self, grace_s: float) -> None:
        del grace_s

    def tend(self) -> None:
        pass


class FakeClock:
    """A clock that stands still until it is moved."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def process(tmp_path: Path, arguments: tuple[str, ...] = SLEEPER, name: str = "child") -> Process:
    return Process(Command(name, arguments), tmp_path / f"{name}.log", log_size_max_bytes=1_000)


def supervisor(tmp_path: Path, **changes) -> Supervisor:
    policy = RestartPolicy(delay_min_s=0.05, delay_max_s=1.0)
    return Supervisor(policy, status_path=tmp_path / "status.json", **{"grace_s": 5.0, **changes})


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def eventually(condition) -> bool:
    until_s = time.monotonic() + WAIT_S
    while time.monotonic() < until_s:
        if condition():
            return True
        time.sleep(0.02)
    return False


def test_a_killed_child_runs_again(tmp_path):
    # Promise: what dies is started again, and the status file says so.
    watch = supervisor(tmp_path)
    child = process(tmp_path)
    watch.start(child)
    try:
        killed = child.pid
        os.kill(killed, signal.SIGKILL)

        def restarted():
            watch.tend()
            return child.pid not in {None, killed}

        assert eventually(restarted)
        [status] = json.loads((tmp_path / "status.json").read_text())["services"]
        assert status["restarts"] == 1
        assert status["last_exit_code"] == -signal.SIGKILL
        assert status["pid"] == child.pid
    finally:
        watch.stop()


def test_a_crash_loop_waits_longer_and_longer_up_to_the_cap(tmp_path):
    # Promise: restarts back off exponentially, never beyond the cap, and a stable run forgives.
    clock, service, waits = FakeClock(), FakeService(), []
    watch = supervisor(tmp_path, clock_s=clock, chance=lambda: 1.0)
    watch.start(service)
    for _ in range(7):
        service.dead_with = 1
        watch.tend()
        died_at_s = clock.now_s
        while service.dead_with is not None:
            clock.now_s += 0.01
            watch.tend()
        waits.append(clock.now_s - died_at_s)
    assert waits == pytest.approx([0.05, 0.1, 0.2, 0.4, 0.8, 1.0, 1.0], abs=0.02)
    clock.now_s += 31
    service.dead_with = 1
    watch.tend()
    clock.now_s += 0.06
    watch.tend()
    assert service.dead_with is None


def test_a_service_that_cannot_start_is_tried_again(tmp_path):
    # Promise: a refused start (no memory, no file handles) does not end the watch.
    clock, service = FakeClock(), FakeService()
    watch = supervisor(tmp_path, clock_s=clock, chance=lambda: 1.0)
    watch.start(service)
    service.dead_with, service.refuses = 1, True
    watch.tend()
    clock.now_s += 5
    watch.tend()
    assert watch.statuses()[0].state is ServiceState.WAITING
    service.refuses = False
    clock.now_s += 5
    watch.tend()
    assert watch.statuses()[0].state is ServiceState.RUNNING


def test_stop_ends_everything_in_reverse_order_even_the_deaf(tmp_path):
    # Promise: stopping takes the last started first, and force where SIGTERM is not heard.
    watch = supervisor(tmp_path, grace_s=1.0)
    first, deaf = process(tmp_path, name="first"), process(tmp_path, STUBBORN, name="deaf")
    watch.start(first)
    watch.start(deaf)
    assert eventually(lambda: "deaf" in (tmp_path / "deaf.log").read_text())
    watch.stop()
    assert deaf.exit_code() == -signal.SIGKILL
    assert first.exit_code() == -signal.SIGTERM
    assert {status.state for status in watch.statuses()} == {ServiceState.STOPPED}


def test_a_killed_supervisor_leaves_no_child_behind(tmp_path):
    # Promise: even after SIGKILL of the supervisor nothing leaks.
    parent = subprocess.Popen(
        [sys.executable, "-c", SUPERVISOR_PROGRAM, str(tmp_path / "child.log")], stdout=subprocess.PIPE, text=True
    )
    with parent:
        child = int(parent.stdout.readline())
        assert is_alive(child)
        parent.kill()
        assert eventually(lambda: not is_alive(child))


def test_a_log_stays_below_its_bound_and_keeps_the_last_generation(tmp_path):
    # Promise: a chatty process cannot fill the disk with its log.
    chatty = process(tmp_path, (sys.executable, "-c", "print('x' * 3000, flush=True); import time; time.sleep(60)"))
    chatty.start()
    try:
        log = tmp_path / "child.log"
        assert eventually(lambda: log.stat().st_size >= 3000)
        chatty.tend()
        assert log.stat().st_size == 0
        assert (tmp_path / "child.log.1").stat().st_size >= 3000
    finally:
        chatty.stop(5.0)
