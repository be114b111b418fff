"""The wire's promise: what we ask is what the contract says, and a reply is judged as the contract would judge it."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evershelf.contracts.events import EventType
from evershelf.contracts.inference import RankReply, RankRequest
from evershelf.contracts.recommendations import Reason
from evershelf.gateway.hop import HopReply
from evershelf.gateway.rank_wire import encode_question, join_questions, read_answers
from evershelf.policy.compose import is_sound

IDS = st.from_regex(r"\A[a-z0-9_-]{1,20}\Z")
# At the limit and beyond it, of letters that take one byte and of those that take four.
LONG_IDS = st.sampled_from([letter * length for letter in ("m", "\N{AMPHORA}") for length in (128, 129)])
HISTORIES = st.lists(st.tuples(IDS, st.sampled_from(EventType), st.floats(0, 1e9)), max_size=220)
ODD = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 2), st.floats(), st.text(max_size=3), st.just([]), st.just({})
)


@given(st.lists(st.tuples(HISTORIES, st.integers(1, 600), st.lists(IDS, max_size=30)), min_size=1, max_size=3))
def test_what_is_asked_keeps_the_contract(asked):
    body = join_questions(encode_question(history, k=k, exclude=exclude) for history, k, exclude in asked)
    request = RankRequest.model_validate_json(body)
    for query, (history, k, exclude) in zip(request.queries, asked, strict=True):
        assert [(told.item_id, told.event_type, told.age_s) for told in query.history] == history[:200]
        assert (query.k, query.exclude) == (min(k, 500), tuple(exclude))


@st.composite
def replies(draw):
    """Replies that are sound, or odd in one or two places."""
    item_ids = st.one_of(IDS, IDS, IDS, LONG_IDS)
    pieces = st.fixed_dictionaries({"item_id": item_ids, "share": st.floats(-0.1, 1.1)})
    items = st.fixed_dictionaries(
        {"item_id": item_ids, "score": st.floats(-10, 10), "evidence": st.lists(pieces, max_size=4)}
    )
    rankings = st.fixed_dictionaries(
        {"items": st.lists(items, max_size=4), "confidence": st.floats(0, 1), "confident": st.booleans()}
    )
    reply = {"model_version": draw(st.text(max_size=3)), "rankings": draw(st.lists(rankings, min_size=1, max_size=2))}
    for _ in range(draw(st.integers(0, 2))):
        place = draw(st.sampled_from(list(_objects(reply))))
        name = draw(st.sampled_from([*place, "unknown"]))
        place[name] = draw(ODD)
    return reply


def _objects(value):
    if isinstance(value, dict):
        yield value
        for each in value.values():
            yield from _objects(each)
    elif isinstance(value, list):
        for each in value:
            yield from _objects(each)


@given(replies())
def test_a_reply_is_judged_as_by_the_contract(reply):
    body = orjson.dumps(reply)
    try:
        expected = RankReply.model_validate_json(body, strict=True)
    except ValueError:
        expected = None
    asked = len(reply["rankings"]) if isinstance(reply["rankings"], list) else 1
    answers = read_answers(HopReply(200, body), [None] * asked)
    if expected is not None:
        for answer, ranking in zip(answers, expected.rankings, strict=True):
            if not is_sound(ranking):
                assert answer.trouble is Reason.INFERENCE_INVALID
                continue
            assert (answer.trouble, answer.model_version) == (None, expected.model_version)
            assert [(item.item_id, item.score) for item in answer.ranking.items] == [
                (item.item_id, item.score) for item in ranking.items
            ]
    else:
        assert any(answer.trouble is Reason.INFERENCE_INVALID for answer in answers) or not answers


@pytest.mark.parametrize("letter", ["m", "\N{AMPHORA}"])
@pytest.mark.parametrize(("length", "trouble"), [(128, None), (129, Reason.INFERENCE_INVALID)])
def test_an_id_has_at_most_128_characters(letter, length, trouble):
    # Promise: no id of a reply is longer than an id can be, in characters, whether it is ranked or blamed.
    for ranked, blamed in ((letter * length, "mug"), ("mug", letter * length)):
        item = {"item_id": ranked, "score": 1.0, "evidence": [{"item_id": blamed, "share": 1.0}]}
        ranking = {"items": [item], "confidence": 1.0, "confident": True}
        body = orjson.dumps({"model_version": "m1", "rankings": [ranking]})
        assert read_answers(HopReply(200, body), [None])[0].trouble is trouble


@given(st.binary(max_size=200))
def test_no_bytes_can_do_harm(body):
    for answer in read_answers(HopReply(200, body), [frozenset(), frozenset()]):
        assert answer.trouble is Reason.INFERENCE_INVALID
        assert answer.ranking is None


def test_every_status_has_its_trouble():
    troubles = {status: read_answers(HopReply(status, b"{}"), [None])[0].trouble for status in range(201, 600)}
    assert None not in troubles.values()
    assert troubles[504] is Reason.DEADLINE_EXCEEDED
    assert read_answers(HopReply(503, b'{"type":"/problems/not-ready"}'), [None])[0].trouble is Reason.NO_MODEL
