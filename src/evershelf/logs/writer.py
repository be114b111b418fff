"""Where log lines go: a thread writes them, so that a pipe that nobody reads, or a slow disk, holds up no answer."""

import atexit
import queue
import threading
from contextlib import suppress
from typing import TextIO

LINES_MAX = 10_000
LAST_LINES_S = 1.0  # at the end of the process, for what still waits


class LogWriter:
    """A text stream whose `write` never waits: beyond LINES_MAX waiting lines, lines are dropped and counted."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._lines: queue.Queue[str] = queue.Queue(LINES_MAX)
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()
        self.dropped = 0
        atexit.register(self.settle, LAST_LINES_S)

    def write(self, line: str) -> int:
        """Takes the line at once, or drops it."""
        try:
            self._lines.put_nowait(line)
        except queue.Full:
            self.dropped += 1
        return len(line)

    def flush(self) -> None:
        """Nothing to do: every line is flushed by the thread."""

    def settle(self, seconds: float) -> None:
        """Waits until what was taken is written, at most so long."""
        with self._lines.all_tasks_done:
            self._lines.all_tasks_done.wait_for(lambda: not self._lines.unfinished_tasks, seconds)

    def _run(self) -> None:
        while True:
            line = self._lines.get()
            with suppress(OSError, ValueError):  # the reader has gone, or the stream is closed: the line is lost
                self._out.write(line)
                self._out.flush()
            self._lines.task_done()
