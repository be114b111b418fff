"""The promise to the reader: one request is followed in five files, and runs through at most 300 of their lines."""

import sys
from collections import defaultdict
from pathlib import Path
from types import FrameType

import evershelf
from tests.gateway.gateway_world import open_world, valid
from tests.gateway.hostile_inference import hostile_inference
from tests.gateway.test_hostile_inference import GOOD

ROOT = Path(evershelf.__file__).parent
STORY = {
    "gateway/front.py",
    "gateway/recommend.py",
    "policy/ladder.py",
    "gateway/inference_client.py",
    "policy/compose.py",
}
LINES_MAX = 300


async def test_one_request_is_told_in_five_files_and_300_lines(postgres, tmp_path):
    """Every line of the five files that a personalised answer runs through is counted."""
    lines: dict[str, set[int]] = defaultdict(set)

    def trace(frame: FrameType, event: str, _: object):
        path = Path(frame.f_code.co_filename)
        if not path.is_relative_to(ROOT):
            return None
        if event == "line":
            lines[path.relative_to(ROOT).as_posix()].add(frame.f_lineno)
        return trace

    async with (
        hostile_inference(GOOD) as inference,
        open_world(postgres.url, tmp_path, inference_url=f"http://127.0.0.1:{inference.port}") as world,
    ):
        await world.see("ann", "mugs-0")
        sys.settrace(trace)
        try:
            # The widest budget: traced code takes long.
            headers = {"X-Request-Deadline-Ms": "2000"}
            answer = valid(await world.client.get("/v1/recommendations?user_id=ann", headers=headers))
        finally:
            sys.settrace(None)
    assert answer.source == "model"
    told = sum(len(found) for path, found in lines.items() if path in STORY)
    print({path: len(found) for path, found in sorted(lines.items(), key=lambda each: -len(each[1]))})
    assert set(lines) >= STORY
    assert told <= LINES_MAX
