"""Logging never holds up an answer, whatever becomes of the stream."""

import io
import os
import threading
from contextlib import suppress

from evershelf.logs.writer import LINES_MAX, LogWriter

PATIENCE_S = 20.0


def test_lines_arrive_in_order():
    # Promise: what is written comes out whole and in order.
    out = io.StringIO()
    writer = LogWriter(out)
    for number in range(100):
        writer.write(f"line {number}\n")
    writer.settle(PATIENCE_S)
    assert out.getvalue().splitlines() == [f"line {number}" for number in range(100)]


def test_a_pipe_that_nobody_reads_holds_up_nobody():
    # Promise: `write` comes back at once with the pipe full; what has no room is counted; once read, lines flow again.
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as reader, os.fdopen(writing, "w") as out:
        writer = LogWriter(out)
        written = threading.Event()

        def write_much() -> None:
            for _ in range(LINES_MAX + 1_000):
                writer.write("x" * 200 + "\n")
            written.set()

        threading.Thread(target=write_much, daemon=True).start()
        assert written.wait(PATIENCE_S)
        assert writer.dropped > 0
        drained = threading.Thread(target=_drain, args=(reader,), daemon=True)
        drained.start()
        writer.settle(PATIENCE_S)
        dropped = writer.dropped
        writer.write("again\n")
        writer.settle(PATIENCE_S)
        assert writer.dropped == dropped
    drained.join(PATIENCE_S)


def test_a_stream_that_fails_is_survived():
    # Promise: a reader that has gone costs lines, not the process.
    out = io.StringIO()
    writer = LogWriter(out)
    out.close()
    writer.write("lost\n")
    writer.settle(PATIENCE_S)
    assert writer.dropped == 0


def _drain(reader: io.BufferedReader) -> None:
    with suppress(OSError, ValueError):
        while reader.read1(65_536):
            pass
