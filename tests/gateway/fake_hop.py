"""A hop to a replica that answers when and what a test says."""

import asyncio
from dataclasses import dataclass, field

import orjson

from evershelf.gateway.hop import HopReply
from tests.gateway.hostile_inference import ranked


@dataclass(eq=False)
class Sent:
    """One call: its headers, its questions, and the future that the replica waits for."""

    headers: dict[str, str]
    questions: list[dict[str, object]]
    future: "asyncio.Future[HopReply]"

    def answer(self, *rankings: object, status: int = 200) -> None:
        """Answers; by default one sound ranking a question, of an item named like the first of its history."""
        told = [question["history"][0]["item_id"] if question["history"] else "none" for question in self.questions]
        sound = [{"items": [ranked(f"for-{item}")], "confidence": 1.0, "confident": True} for item in told]
        body = orjson.dumps({"model_version": "m1", "rankings": list(rankings) or sound})
        self.future.set_result(HopReply(status, body))


@dataclass(eq=False)
class FakeHop:
    """Keeps every call; `probes` apart, which are answered at once while `well`."""

    well: bool = True
    calls: list[Sent] = field(default_factory=list)
    probes: list[Sent] = field(default_factory=list)

    def post(self, headers: bytes, body: bytes) -> "asyncio.Future[HopReply]":
        lines = dict(line.split(": ", 1) for line in headers.decode().splitlines())
        sent = Sent(lines, orjson.loads(body)["queries"], asyncio.get_running_loop().create_future())
        if sent.questions[0]["history"]:
            self.calls.append(sent)
        else:
            self.probes.append(sent)
            if self.well:
                sent.answer()
        return sent.future

    async def close(self) -> None:
        for sent in self.calls + self.probes:
            sent.future.cancel()
