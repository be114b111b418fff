"""Gateway N speaks with inference N-1 and N+1: the bodies are those of the golden files, byte for byte.

Whoever wants to say more says it in a header, which an older side passes over. A change here is a change of protocol:
it needs two releases, one that reads both forms and one that writes the new one.
"""

from pathlib import Path

import pytest

from evershelf.contracts.events import EventType
from evershelf.gateway.hop import HopReply
from evershelf.gateway.rank_wire import encode_question, join_questions, read_answers
from evershelf.inference.app import create_app
from tests.inference.fake_model import publish_champion
from tests.inference.test_rank import HEADERS, Running, settings

FOLDER = Path(__file__).parent
REQUEST = (FOLDER / "rank_request.json").read_bytes()
REPLY = (FOLDER / "rank_reply.json").read_bytes()
OLDER_GATEWAY: dict[str, str] = {}
NEWER_GATEWAY = {
    "x-request-deadline-ms": "2000",
    "x-query-budgets-ms": "2000,2000",
    "x-evershelf-model": "champion",
    "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    "x-not-thought-of-yet": "1",
}


def test_the_gateway_asks_as_the_golden_file_says():
    # Promise: what this gateway sends is what the releases before and after it read.
    history = [("mug", EventType.VIEW_ITEM, 0.0), ("pan", EventType.PURCHASE, 3600.5)]
    questions = [encode_question(history, k=20, exclude=["lamp"]), encode_question((), k=1, exclude=())]
    assert join_questions(questions) == REQUEST


@pytest.mark.parametrize("headers", [OLDER_GATEWAY, NEWER_GATEWAY])
async def test_inference_answers_older_and_newer_gateways_as_the_golden_file_says(tmp_path, headers):
    # Promise: headers that a gateway does not send, or that we do not know, change nothing in the body.
    publish_champion(tmp_path / "registry", "m1")
    async with Running(create_app(settings(tmp_path))) as running:
        await running.ready()
        answer = await running.client.post("/v1/rank", content=REQUEST, headers=HEADERS | headers)
    assert (answer.status_code, answer.content) == (200, REPLY)


def test_the_gateway_reads_the_golden_reply():
    # Promise: what inference sends passes the gateway's distrust.
    first, second = read_answers(HopReply(200, REPLY), [frozenset({"mug", "pan"}), frozenset()])
    assert (first.trouble, second.trouble, first.model_version) == (None, None, "m1")
    assert first.ranking.items
