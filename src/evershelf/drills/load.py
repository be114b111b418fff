"""A load under way: the generator as a child process, and its log judged when it is over."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, cast
from uuid import UUID, uuid4

import orjson

from evershelf.drills.answers import Answer, Mishap, read_answers
from evershelf.drills.judge import Catalog, Verdict, judge
from evershelf.drills.plan import Ask, Plan, Stream
from evershelf.supervision.process import die_with_parent

END_TIMEOUT_S = 60.0
# Answers are logged to memory where there is such a file system: a disk that syncs the spool has enough to do.
MEMORY = Path("/dev/shm")  # noqa: S108 - a private folder is made in it
EVENTS_STREAM = "events"


class GeneratorFailedError(Exception):
    """The generator did not end as it should: what it logged says less than what happened."""


class Load:
    """Sends a plan from a process of its own, until `end`. Start it from the main thread: it ends with that thread."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._folder = Path(tempfile.mkdtemp(prefix="evershelf-load-", dir=MEMORY if MEMORY.is_dir() else None))
        plan.write(self._folder / "plan.json")
        self._child = subprocess.Popen(  # noqa: S603 - our own module
            [
                sys.executable,
                "-m",
                "evershelf.drills.generator",
                *map(str, (self._folder / "plan.json", self.log_path)),
            ],
            stdout=subprocess.PIPE,
            preexec_fn=die_with_parent(),  # noqa: PLW1509 - one system call, prepared before the fork
        )
        self._out = cast("IO[bytes]", self._child.stdout)
        self.began_s = float(json.loads(self._out.readline())["began_s"])

    @property
    def log_path(self) -> Path:
        """Where the generator logs what became of each request."""
        return self._folder / "log"

    @property
    def pid(self) -> int:
        """The generator's process."""
        return self._child.pid

    def end(self) -> None:
        """Stops sending, and waits for what is under way."""
        if self._child.poll() is None:
            os.kill(self._child.pid, signal.SIGTERM)
        self.wait(END_TIMEOUT_S)

    def wait(self, timeout_s: float) -> None:
        """Waits until the whole plan is sent and answered; ends the generator if that takes too long."""
        try:
            self._child.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()

    def answers(self) -> Iterator[Answer]:
        """The log, once the load is over. Raises GeneratorFailedError where a request may be missing from it."""
        if self._child.returncode != 0:
            raise GeneratorFailedError(f"the load generator ended with {self._child.returncode}: its log is not whole")
        return read_answers(self.log_path)

    def close(self) -> None:
        """Ends the generator and removes its log."""
        if self._child.poll() is None:
            self._child.kill()
        self._child.wait()
        self._out.close()
        for path in self._folder.iterdir():
            path.unlink()
        self._folder.rmdir()


@dataclass(frozen=True, slots=True)
class Judged:
    """What came of a load: recommendations judged one by one, events by their acknowledgement."""

    verdicts: list[Verdict]
    acknowledged: frozenset[UUID]
    events_refused: int  # with 503: nothing of them was acknowledged
    events_unanswered: int
    events_odd: int  # answered in a way that no client could understand


def judged(load: Load, catalog: Catalog) -> Judged:
    """Reads and judges the log of a load that is over. Raises GeneratorFailedError."""
    verdicts: list[Verdict] = []
    acknowledged: set[UUID] = set()
    refused = unanswered = odd = 0
    for answer in load.answers():
        stream = load.plan.streams[answer.stream]
        if stream.name != EVENTS_STREAM:
            verdicts.append(judge(answer, stream.asks[answer.ask], catalog))
        elif answer.mishap is not Mishap.NONE:
            unanswered += 1
        elif answer.status == 503:
            refused += 1
        elif (accepted := _accepted(answer)) is not None:
            acknowledged |= accepted
        else:
            odd += 1
    verdicts.sort(key=lambda verdict: verdict.answer.due_s)
    return Judged(verdicts, frozenset(acknowledged), refused, unanswered, odd)


def event_asks(key: str, user_id: str, items: Sequence[str], count: int) -> tuple[Ask, ...]:
    """So many batches of one event each, every event with an id of its own."""
    now = datetime.now(UTC).isoformat()
    headers = (("Authorization", f"Bearer {key}"),)
    return tuple(
        Ask("POST", "/v1/events", headers, body=_batch(user_id, items[number % len(items)], now))
        for number in range(count)
    )


def events_stream(ports: tuple[int, ...], asks: tuple[Ask, ...], rate_per_s: float) -> Stream:
    """The stream of events; each is sent once, as a client does that keeps what was not acknowledged for later."""
    return Stream(EVENTS_STREAM, ports, rate_per_s, asks)


def _batch(user_id: str, item_id: str, occurred_at: str) -> str:
    event = {
        "event_id": str(uuid4()),
        "user_id": user_id,
        "item_id": item_id,
        "event_type": "view_item",
        "occurred_at": occurred_at,
    }
    return json.dumps({"events": [event]})


def _accepted(answer: Answer) -> set[UUID] | None:
    if answer.status != 202:
        return None
    try:
        results = orjson.loads(answer.body)["results"]
        return {UUID(result["event_id"]) for result in results if result["status"].startswith("accepted")}
    except (KeyError, TypeError, ValueError):
        return None
