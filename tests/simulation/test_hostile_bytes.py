"""Whatever bytes inference sends, in whatever pieces, the hop gives an answer or says why not, and never breaks."""

import asyncio
from itertools import pairwise

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from evershelf.gateway.hop import Address, HopError, HttpHop
from evershelf.gateway.rank_wire import RANK_PATH, read_answers
from evershelf.simulation.network import SimulatedNetwork, SimulatedTransport
from evershelf.simulation.virtual_time import VirtualLoop

BODY_BYTES_MAX = 4_096
RANKING = {"items": [{"item_id": "mug", "score": 1.0, "evidence": []}], "confidence": 0.5, "confident": True}
GOOD = orjson.dumps({"model_version": "m", "rankings": [RANKING]})
HEADERS = st.lists(
    st.sampled_from(
        [
            b"Content-Type: application/json",
            b"Content-Length: %d" % len(GOOD),
            b"Content-Length: 5",
            b"Content-Length: -1",
            b"Content-Length: 99999999999999999999",
            b"Transfer-Encoding: chunked",
            b"Content-Encoding: gzip",
            b"Connection: close",
            b"Connection: upgrade",
            b"X: " + b"y" * 20_000,
            b"broken",
            b"",
        ]
    ),
    max_size=4,
)
STATUS = st.sampled_from(
    [b"HTTP/1.1 200 OK", b"HTTP/1.1 100 Go on", b"HTTP/1.0 200", b"HTTP/9.9 200 X", b"ICY 200", b""]
)
BODIES = st.sampled_from(
    [GOOD, GOOD[:-5], GOOD * 2, b"", b"1e999", b"[" * 3_000, b"5\r\nhello\r\n0\r\n\r\n"]
) | st.binary(max_size=300)
LIKE_HTTP = st.builds(
    lambda status, headers, body: status + b"\r\n" + b"".join(h + b"\r\n" for h in headers) + b"\r\n" + body,
    STATUS,
    HEADERS,
    BODIES,
)


class Speaker:
    """Sends what it was told to, in pieces, and then hangs up or says nothing more."""

    def __init__(self, sent: bytes, cuts: list[int], *, hangs_up: bool) -> None:
        bounds = [0, *sorted(cut % (len(sent) + 1) for cut in cuts), len(sent)]
        self._pieces = [sent[begin:end] for begin, end in pairwise(bounds)]
        self._hangs_up = hangs_up

    async def admit(self) -> None:
        """Everybody may come in."""

    def opened(self, connection: SimulatedTransport) -> None:
        """Waits to be asked."""

    def received(self, connection: SimulatedTransport, data: bytes) -> None:
        del data
        for piece in self._pieces:
            if piece:
                connection.send(piece, after_s=0.001)
        if self._hangs_up:
            connection.hang_up(after_s=0.001)

    def closed(self, connection: SimulatedTransport) -> None:
        """Nothing to tidy up."""


@settings(max_examples=100, deadline=None)
@given(LIKE_HTTP | st.binary(max_size=400), st.lists(st.integers(0, 10_000), max_size=5), st.booleans())
def test_any_bytes_are_an_answer_or_a_reason(sent, cuts, hangs_up):
    # Promise: hostile bytes cost one question its model, and nothing else; what was read is bounded.
    loop = VirtualLoop()
    broken = []
    loop.set_exception_handler(lambda _, context: broken.append(context))
    network = SimulatedNetwork(loop)
    network.services[1] = Speaker(sent, cuts, hangs_up=hangs_up)
    loop.network = network
    try:
        outcome = loop.run_until_complete(_ask())
    finally:
        loop.close()
    assert not broken
    assert outcome is None or isinstance(outcome, HopError) or len(outcome.body) <= BODY_BYTES_MAX
    if outcome is not None and not isinstance(outcome, HopError):
        (answer,) = read_answers(outcome, [frozenset()])
        assert (answer.trouble is None) == (answer.ranking is not None)


async def _ask():
    hop = HttpHop(Address.of("http://127.0.0.1:1"), RANK_PATH, body_bytes_max=BODY_BYTES_MAX)
    answer = hop.post(b"", b"{}")
    await asyncio.wait([answer], timeout=1.0)
    if not answer.done():
        answer.cancel()
        await hop.close()
        return None
    await hop.close()
    return answer.exception() or answer.result()
