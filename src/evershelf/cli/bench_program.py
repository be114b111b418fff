"""Runs one program of `benchmarks/` to its end, and nothing of it longer; tells what others used of the machine."""

import ctypes
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from evershelf.supervision.process import children_of, die_with_parent

# linux/prctl.h: what our descendants leave behind becomes our child, to be counted and ended.
_PR_SET_CHILD_SUBREAPER = 36
# More than this share of all cores used by others, or taken by the host, and no figure can be believed.
OTHERS_SHARE_MAX = 0.10
GRACE_S = 20.0
NOISY = "too noisy to tell"

Outcome = dict[str, Any]  # what a program told, as JSON


class BenchFailedError(Exception):
    """A benchmark did not come to an end, or there is none to run."""


class BenchTimedOutError(BenchFailedError):
    """It was still at work when its time was over."""


def run_program(path: Path, form: str, *, seconds_max: float) -> Outcome:
    """What the program told, with `ended_s`, `elapsed_s` and `others_share`. Raises BenchFailedError."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    began_s, busy_s, own_s = time.monotonic(), _busy_s(), _own_s()
    output = _output(path, form, seconds_max)
    elapsed_s = time.monotonic() - began_s
    others_s = _busy_s() - busy_s - (_own_s() - own_s)
    try:
        found: Outcome = json.loads(output[output.index("{\n") :])
    except ValueError as error:
        raise BenchFailedError("it printed no JSON") from error
    found["ended_s"], found["elapsed_s"] = time.time(), elapsed_s
    found["others_share"] = max(0.0, others_s / elapsed_s / (os.cpu_count() or 1))
    found["targets"] = judged(found["targets"], found["others_share"])
    return found


def judged(targets: list[Outcome], others_share: float) -> list[Outcome]:
    """The targets as they may be believed, given how much of the machine others used."""
    if others_share <= OTHERS_SHARE_MAX:
        return targets
    return [target if target["measured"] is None else target | {"verdict": NOISY} for target in targets]


def _output(path: Path, form: str, seconds_max: float) -> str:
    # Files, not pipes: a pipe stays open as long as anything that the program left behind holds it.
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        child = subprocess.Popen(  # noqa: S603 - a program of our own
            [sys.executable, str(path), "--form", form, "--json"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            preexec_fn=die_with_parent(signal.SIGINT),  # noqa: PLW1509 - a few system calls, prepared before the fork
        )
        try:
            child.wait(seconds_max)
        except subprocess.TimeoutExpired:
            raise BenchTimedOutError(f"it took longer than {seconds_max:.0f} s") from None
        finally:
            if child.poll() is None:
                _end(child)
            _end_orphans()
        output.seek(0)
        errors.seek(0)
        if child.returncode:
            raise BenchFailedError((errors.read().strip().splitlines() or [f"exit code {child.returncode}"])[-1])
        return output.read()


def _end(child: "subprocess.Popen[bytes]") -> None:
    """As Ctrl-C does, so that it stops its servers and removes its folders; by force if it does not."""
    child.send_signal(signal.SIGINT)
    try:
        child.wait(GRACE_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _end_orphans() -> None:
    """Ends and reaps whatever the program left running, and what that leaves in turn."""
    until_s = time.monotonic() + GRACE_S
    while (orphans := children_of(os.getpid())) and time.monotonic() < until_s:
        for pid in orphans:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        with suppress(ChildProcessError):
            os.waitpid(-1, 0)


def _busy_s() -> float:
    """CPU that the whole machine has spent, and what the host took from it, in seconds."""
    user, nice, system, _, _, irq, soft, steal, *_ = map(int, Path("/proc/stat").read_text().split("\n")[0].split()[1:])
    return (user + nice + system + irq + soft + steal) / os.sysconf("SC_CLK_TCK")


def _own_s() -> float:
    """CPU of this process and of all its descendants that have ended."""
    used = [resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)
