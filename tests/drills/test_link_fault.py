"""What a fault does to a reply, step by step, without any I/O."""

from random import Random

import pytest

from evershelf.drills.link_fault import End, Ending, Exchange, LinkFault, Send, Trickle, Wait, bend

REPLY = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


def steps(fault: LinkFault, *chunks: bytes, struck: bool = True, seed: int = 1):
    exchange, chance = Exchange(struck=struck), Random(seed)
    return [step for chunk in chunks for step in bend(fault, exchange, chunk, chance)]


def sent(found) -> bytes:
    return b"".join(step.data for step in found if isinstance(step, Send))


def waited_s(found) -> float:
    return sum(step.seconds for step in found if isinstance(step, Wait))


def test_an_exchange_that_is_not_struck_passes_untouched():
    # Promise: `share` leaves the others alone, whatever the fault.
    fault = LinkFault(delay_ms=500, trickle=Trickle.HEAD, corrupt_share=1.0, ending=Ending.RESET)
    assert steps(fault, REPLY, struck=False) == [Send(REPLY)]


def test_a_delay_comes_once_an_exchange_and_before_its_first_byte():
    # Promise: a slow server is late once, not once a chunk; jitter stays inside its bounds.
    found = steps(LinkFault(delay_ms=30, jitter_ms=10), REPLY[:10], REPLY[10:])
    assert [type(step) for step in found] == [Wait, Send, Send]
    assert 0.02 <= waited_s(found) <= 0.04
    assert sent(found) == REPLY


@pytest.mark.parametrize(("trickle", "single_bytes"), [(Trickle.HEAD, len(REPLY)), (Trickle.BODY, 5)])
def test_a_trickle_sends_byte_by_byte(trickle, single_bytes):
    # Promise: 80 ms a byte, from the head on or from the body on, and every byte comes in the end.
    found = steps(LinkFault(trickle=trickle), REPLY[:20], REPLY[20:])
    assert sent(found) == REPLY
    assert waited_s(found) == pytest.approx(single_bytes * 0.080)


@pytest.mark.parametrize("ending", list(Ending))
@pytest.mark.parametrize("at_byte", [0, 7, 25])
def test_an_ending_comes_at_its_byte(ending, at_byte):
    # Promise: exactly `at_byte` bytes pass, also when the reply comes in pieces.
    found = steps(LinkFault(ending=ending, at_byte=at_byte), REPLY[:20], REPLY[20:])
    first_end = found.index(End(ending))
    assert sent(found[:first_end]) == REPLY[:at_byte]


def test_a_reply_shorter_than_the_byte_passes_whole():
    # Promise: an ending beyond the reply changes nothing.
    assert steps(LinkFault(ending=Ending.CUT, at_byte=1_000), REPLY) == [Send(REPLY)]


def test_corruption_flips_bits_and_keeps_the_length():
    # Promise: with a share of one every byte differs in one bit; the same seed flips the same bits.
    once, again = sent(steps(LinkFault(corrupt_share=1.0), REPLY)), sent(steps(LinkFault(corrupt_share=1.0), REPLY))
    assert once == again
    assert all((one ^ other).bit_count() == 1 for one, other in zip(once, REPLY, strict=True))


def test_a_lost_segment_costs_a_retransmission():
    # Promise: what is lost comes all the same, 200 ms later.
    assert waited_s(steps(LinkFault(lost_share=1.0), REPLY)) == pytest.approx(0.2)
    shares = [waited_s(steps(LinkFault(lost_share=0.1), REPLY, seed=seed)) > 0 for seed in range(1_000)]
    assert 60 <= sum(shares) <= 140


def test_a_fault_survives_its_wire():
    # Promise: what the runner asks for is what the proxy does; a name that does not exist is refused.
    fault = LinkFault(share=0.5, trickle=Trickle.BODY, ending=Ending.STALL, at_byte=9)
    assert LinkFault.from_json(fault.as_json()) == fault
    with pytest.raises(TypeError):
        LinkFault.from_json({"dealy_ms": 5})
