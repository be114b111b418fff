"""Composition's promise: a sound model reply replaces the baseline, anything else never reaches the caller."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evershelf.contracts.inference import Evidence, RankedItem, Ranking
from evershelf.contracts.recommendations import Reason, Source
from evershelf.policy.compose import ModelReply, compose
from evershelf.policy.ladder import baseline
from tests.policy.fake_shelf import FakeShelf, ask

SHOP = FakeShelf(catalog=dict.fromkeys(["a", "b", "c", "d"], ()), popular_list=[("a", 4.0), ("b", 2.0), ("c", 1.0)])


def ranking(*pairs: tuple[str, float], confident: bool = True) -> Ranking:
    evidence = (Evidence.model_construct(item_id="z", share=1.0),)
    items = tuple(RankedItem.model_construct(item_id=item, score=score, evidence=evidence) for item, score in pairs)
    return Ranking.model_construct(items=items, confidence=1.0, confident=confident)


def answered(reply: ModelReply, **changes: object):
    query = ask(**changes)
    return compose(SHOP, query, reply, baseline(SHOP, query))


def test_a_sound_reply_leads_and_the_baseline_fills():
    reply = ModelReply(Reason.PERSONALIZED, 2.0, ranking(("d", 7.0), ("b", 3.5)), "model-1")
    composed = answered(reply)
    assert [(c.item_id, c.source) for c in composed.candidates] == [
        ("d", Source.MODEL), ("b", Source.MODEL), ("a", Source.POPULAR),
    ]  # fmt: skip
    assert [c.score for c in composed.candidates] == [1.0, 0.5, 0.5]
    assert (composed.source, composed.reason, composed.degraded) == (Source.MODEL, Reason.PERSONALIZED, False)
    assert composed.model_version == "model-1"


@pytest.mark.parametrize(
    "hostile",
    [
        ranking(("a", math.nan)),
        ranking(("a", math.inf), ("b", 1.0)),
        ranking(("a", 2.0), ("a", 1.0)),
        ranking(("a", 1.0), ("b", 2.0)),
    ],
)
def test_a_reply_that_breaks_the_contract_is_invalid_as_a_whole(hostile):
    composed = answered(ModelReply(Reason.PERSONALIZED, 1.0, hostile, "model-1"))
    assert (composed.source, composed.reason, composed.degraded) == (Source.POPULAR, Reason.INFERENCE_INVALID, True)
    assert composed.model_version is None


def test_foreign_and_ineligible_items_are_dropped_and_filled():
    composed = answered(ModelReply(Reason.PERSONALIZED, 1.0, ranking(("foreign", 9.0), ("b", 8.0), ("a", 1.0)), "m"),
                        hidden=frozenset({"b"}))  # fmt: skip
    assert [c.item_id for c in composed.candidates] == ["a", "c", "d"]


@pytest.mark.parametrize(
    ("reply", "reason", "degraded"),
    [
        (ModelReply(Reason.NO_HISTORY), Reason.NO_HISTORY, False),
        (ModelReply(Reason.PERSONALIZED, 1.0, ranking(), "m"), Reason.EMPTY_MODEL_ANSWER, False),
        (ModelReply(Reason.PERSONALIZED, 1.0, ranking(("d", 1.0), confident=False), "m"), Reason.LOW_CONFIDENCE, False),
        (ModelReply(Reason.DEADLINE_EXCEEDED), Reason.DEADLINE_EXCEEDED, True),
        (ModelReply(Reason.NO_HISTORY, history_trouble=Reason.HISTORY_UNAVAILABLE), Reason.NO_HISTORY, True),
    ],
)
def test_the_reason_tells_why_the_model_had_no_part(reply, reason, degraded):
    composed = answered(reply)
    assert [c.item_id for c in composed.candidates] == ["a", "b", "c"]
    assert (composed.reason, composed.degraded) == (reason, degraded)


def test_only_an_empty_catalog_gives_an_empty_list_and_says_so():
    nothing = FakeShelf(catalog={})
    composed = compose(nothing, ask(), ModelReply(Reason.NO_HISTORY), baseline(nothing, ask()))
    assert (composed.candidates, composed.reason) == ([], Reason.EMPTY_CATALOG)


ANY_FLOAT = st.floats(allow_nan=True, allow_infinity=True)


@given(st.lists(st.tuples(st.sampled_from(["a", "b", "c", "d", "x", "y"]), ANY_FLOAT), max_size=8), st.integers(1, 6))
def test_whatever_the_model_says_the_list_is_valid(pairs, k):
    """G4 under hostile replies: unique, eligible, min(k, eligible), scores finite in 0..1 and never rising."""
    composed = answered(ModelReply(Reason.PERSONALIZED, 1.0, ranking(*pairs), "m"), k=k)
    ids, scores = [c.item_id for c in composed.candidates], [c.score for c in composed.candidates]
    assert len(set(ids)) == len(ids) == min(k, 4)
    assert set(ids) <= {"a", "b", "c", "d"}
    assert all(0 <= score <= 1 for score in scores)
    assert scores == sorted(scores, reverse=True)
    assert sum(attempt.items for attempt in composed.attempts) == len(ids)
