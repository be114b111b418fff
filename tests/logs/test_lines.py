"""Every line of a serving process is a JSON object, whoever said it."""

import json
import subprocess
import sys

import pytest

SPEAKER = """
import asyncio, logging, threading, warnings
from evershelf.logs.configuration import configure_logging
configure_logging(tracebacks={tracebacks})
logging.getLogger("asyncpg").warning("a pool of %d", 3)
logging.getLogger("uvicorn.error").info("not said")
warnings.warn("old", DeprecationWarning, stacklevel=1)
try:
    raise ValueError("what was in hand")
except ValueError:
    logging.getLogger("aiohttp.client").exception("two\\nlines")
def fail(): raise KeyError("gone")
thread = threading.Thread(target=fail); thread.start(); thread.join()
async def forgotten(): asyncio.create_task(lost(), name="lost"); await asyncio.sleep(0)
async def lost(): raise OSError("lost")
asyncio.run(forgotten())
raise RuntimeError("no port")
"""


@pytest.mark.parametrize("tracebacks", [False, True])
def test_whatever_is_said_is_a_line_of_json(tracebacks):
    # Promise: libraries, warnings, lost tasks, threads and the error that ends the process all speak JSON on stdout.
    words = [sys.executable, "-W", "default", "-c", SPEAKER.format(tracebacks=tracebacks)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert (done.returncode, done.stderr) == (1, "")
    said = {line.get("logger", line["event"]): line for line in lines}
    assert set(said) == {"asyncpg", "py.warnings", "aiohttp.client", "asyncio", "thread_failed", "process_failed"}
    assert said["asyncpg"]["text"] == "a pool of 3"
    assert said["process_failed"]["detail"] == "no port"
    assert said["aiohttp.client"]["error"] == "ValueError"
    assert ("what was in hand" in done.stdout) == tracebacks
    assert all({"event", "level", "timestamp"} <= line.keys() for line in lines)
