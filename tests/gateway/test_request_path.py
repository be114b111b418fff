"""The promise to the reader: one request is followed in five files, and runs through at most 300 of their lines."""

import sys
from collections import Counter, defaultdict
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from types import FrameType

import evershelf
from evershelf.gateway.protocol import GatewayProtocol
from tests.gateway.gateway_world import open_world, valid
from tests.gateway.hostile_inference import hostile_inference
from tests.gateway.test_hostile_inference import GOOD

OURS = f"{Path(evershelf.__file__).parent}/"

# Every file of ours that a request runs through, by its part in the answer. A new one has to find its place here.
KINDS = {
    # From the request's bytes to the answer's: what decides, asks, waits and composes.
    "path": """
        gateway/quick_lane.py gateway/recommend.py policy/ladder.py gateway/inference_client.py policy/compose.py
    """,
    # The HTTP client, and the form of what it carries.
    "client": "gateway/hop.py gateway/rank_wire.py",
    # The server: who may come in, and what leaves when somebody may not.
    "door": """
        gateway/protocol.py gateway/question.py gateway/problems.py gateway/auth.py gateway/quotas.py policy/keys.py
    """,
    # Pure answers to one question each, with the state that they are asked about.
    "rules": """
        policy/admission.py policy/shedding.py policy/quality.py policy/seen_items.py policy/assignment.py
        policy/retries.py gateway/admission.py gateway/loop_lag.py
    """,
    # What the gateway knows: the catalog, histories, the time.
    "knowledge": """
        gateway/shelf.py gateway/history.py gateway/history_reader.py gateway/ask.py gateway/outside.py
        storage/history.py storage/queries.py storage/postgres.py
    """,
    # What is remembered of calls and answers, for later ones and for people.
    "bookkeeping": """
        gateway/circuit.py policy/breaker.py policy/limiter.py policy/call_time.py gateway/telemetry.py
        gateway/series.py gateway/series_bucket.py gateway/trace.py gateway/spans.py gateway/decisions.py
        gateway/spool.py gateway/rollout.py gateway/reign.py policy/quota.py
    """,
}
KIND_OF = {path: kind for kind, paths in KINDS.items() for path in paths.split()}
PATH_FILES_MAX, PATH_LINES_MAX, PATH_AND_CLIENT_LINES_MAX = 5, 300, 400


@contextmanager
def lines_of_one_request():
    """Collects the lines of ours, by file, that run for a request from its first byte on.

    The mark is set where the server reads the request. Tasks, timers and callbacks inherit it from whoever starts them,
    so that what the gateway does meanwhile on its own account is not counted.
    """
    mark: ContextVar[bool] = ContextVar("mark", default=False)
    lines: dict[str, set[int]] = defaultdict(set)

    def enter(frame: FrameType, _event: str, _: object):
        # Nothing but our own marked frames is looked at line by line: the request has its deadline.
        if not frame.f_code.co_filename.startswith(OURS):
            return None
        if frame.f_code is GatewayProtocol.data_received.__code__:
            mark.set(True)
        return note if mark.get() else None

    def note(frame: FrameType, event: str, _: object):
        if event == "line":
            lines[frame.f_code.co_filename.removeprefix(OURS)].add(frame.f_lineno)
        return note

    sys.settrace(enter)
    try:
        yield lines
    finally:
        sys.settrace(None)


async def test_one_request_is_told_in_five_files_and_300_lines(postgres, tmp_path):
    """Every line that a personalised answer runs through is counted; its history is read from PostgreSQL."""
    async with (
        hostile_inference(GOOD) as inference,
        open_world(postgres.url, tmp_path, inference_url=f"http://127.0.0.1:{inference.port}") as world,
    ):
        await world.calm()
        for buyer in range(12):  # on a busy machine a deadline may pass; the next one's history is unread, too
            with lines_of_one_request() as lines:
                # The widest budget: traced code takes long.
                headers = {"X-Request-Deadline-Ms": "2000"}
                answer = valid(await world.client.get(f"/v1/recommendations?user_id=buyer-{buyer}", headers=headers))
            if answer.source == "model":
                break
    assert answer.source == "model"
    told = Counter()
    for path, found in lines.items():
        told[KIND_OF.get(path, f"{path} has no kind")] += len(found)
    print(dict(told))
    assert set(lines) <= set(KIND_OF)
    assert set(lines) >= {*KINDS["path"].split(), *KINDS["client"].split()}
    assert len(KINDS["path"].split()) <= PATH_FILES_MAX
    assert told["path"] <= PATH_LINES_MAX
    assert told["path"] + told["client"] <= PATH_AND_CLIENT_LINES_MAX
