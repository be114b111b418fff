"""One child process: started so that it cannot outlive us, its output in a file of bounded size."""

import ctypes
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

# linux/prctl.h; elsewhere children are only ended by an orderly stop.
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Command:
    """What to run: arguments, what is added to our environment, and the port it will listen on."""

    name: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    port: int | None = None


class Process:
    """A command that can be started again and again; a `Service` of the supervisor.

    Start it from the main thread: the kernel ties the parent-death signal to the thread that made the child.
    """

    def __init__(self, command: Command, log_path: Path, *, log_size_max_bytes: int) -> None:
        self.name = command.name
        self.port = command.port
        self._command = command
        self._log_path = log_path
        self._log_size_max_bytes = log_size_max_bytes
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The process id, or None while nothing runs."""
        return self._child.pid if self._child is not None and self._child.returncode is None else None

    def start(self) -> None:
        """Start the command. Raises OSError if the system refuses."""
        with self._log_path.open("ab") as log:
            self._child = subprocess.Popen(  # noqa: S603 - our own commands, no shell
                self._command.arguments,
                env={**os.environ, **self._command.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Ctrl-C reaches the whole terminal group; the order of stopping is ours to keep.
                start_new_session=True,
                preexec_fn=die_with_parent(),  # noqa: PLW1509 - the supervisor has one thread
            )

    def exit_code(self) -> int | None:
        """None while the process runs, else its exit code (negative: the signal that ended it)."""
        return None if self._child is None else self._child.poll()

    def stop(self, grace_s: float) -> None:
        """Ask the process to end, and end it after `grace_s`; waits until it is gone."""
        if self._child is None or self._child.poll() is not None:
            return
        self._child.terminate()
        try:
            self._child.wait(grace_s)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()

    def tend(self) -> None:
        """Keep the log below its limit: the older half lies beside it, one generation back."""
        try:
            if self._log_path.stat().st_size <= self._log_size_max_bytes:
                return
            # The child holds the file open for appending, so it is copied and cut, never renamed.
            shutil.copyfile(self._log_path, self._log_path.with_suffix(".log.1"))
            os.truncate(self._log_path, 0)
        except OSError:
            # A full disk must not stop the watch; the next round tries again.
            return


def children_of(parent: int) -> list[int]:
    """The processes whose parent it is at this moment, those included that have ended and were not waited for."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, ValueError, IndexError):
            if int(path.read_text().rpartition(")")[2].split()[1]) == parent:
                found.append(int(path.parent.name))
    return found


def die_with_parent(by: signal.Signals = signal.SIGKILL) -> Callable[[], None] | None:
    """For Popen's preexec_fn: the kernel ends the child when its parent goes, however it goes; None where it cannot.

    `by` is heard by the child even where the parent ignores it, as a shell's background jobs ignore SIGINT.
    """
    if not sys.platform.startswith("linux"):
        return None
    library = ctypes.CDLL(None, use_errno=True)  # loaded before the fork: afterwards only the call itself is safe
    parent = os.getpid()

    def bind() -> None:
        if by is not signal.SIGKILL:
            signal.signal(by, signal.SIG_DFL)
        library.prctl(_PR_SET_PDEATHSIG, by)
        if os.getppid() != parent:  # it went before the call
            os._exit(1)

    return bind
