"""The gateway's own series: what is told comes out again, bounded, at the right time, and with true percentiles."""

from types import SimpleNamespace

import pytest

from evershelf.contracts.admin_series import MARKS_MAX, MarkKind
from evershelf.contracts.events import EventResult, EventStatus
from evershelf.contracts.recommendations import Reason, Source
from evershelf.gateway.outside import Clock
from evershelf.gateway.series import COARSE_BUCKETS_MAX, FINE_BUCKETS_MAX, FINE_S, STRETCHES_MAX, Series
from evershelf.gateway.series_bucket import LABELS_MAX, percentile, spending
from evershelf.policy.compose import Tried

START_S = 1_800_000_000.0


class Hands:
    """A clock that stands until it is moved."""

    def __init__(self):
        self.now_s = 0.0
        self.clock = Clock(monotonic_s=lambda: self.now_s, unix_s=lambda: START_S + self.now_s)


@pytest.fixture
def hands():
    return Hands()


def decided(placement="home", source=Source.POPULAR, *, reason=Reason.POPULAR, items=3, degraded=False, **spent):
    """What `Series.answered` reads of a decision."""
    composed = SimpleNamespace(
        source=source,
        reason=reason,
        degraded=degraded,
        model_version=spent.pop("model_version", None),
        candidates=["item"] * items,
        attempts=[Tried(source, reason, items)],
    )
    ask = SimpleNamespace(placement=SimpleNamespace(name=placement), deadline_ms=spent.pop("deadline_ms", 150))
    times = {"history_ms": 0.0, "inference_ms": 0.0} | spent
    return SimpleNamespace(ask=ask, composed=composed, **times)


async def test_answers_come_out_at_their_time(hands):
    # Promise: each answer lies in the step in which it was given, and the steps sum to the whole.
    series = Series(hands.clock)
    for second in range(0, 60, 5):
        hands.now_s = float(second)
        series.answered(decided(degraded=second >= 30), 1.0)
    window = await series.window(60, 720)
    assert window.step_s == 5
    assert [step.answers.total() for step in window.steps] == [1] * 12
    assert [step.degraded["home"] for step in window.steps] == [0] * 6 + [1] * 6
    assert (window.times_s[0], window.whole.answers.total()) == (START_S, 12)


async def test_a_day_is_kept_in_minutes(hands):
    # Promise: 24 h fit in memory as minutes, nothing is lost or counted twice, and what is older is forgotten.
    series = Series(hands.clock)
    for minute in range(30 * 60):
        hands.now_s = 60.0 * minute
        series.answered(decided(), 1.0)
    window = await series.window(86_400, 720)
    assert (window.step_s, len(window.steps)) == (120, 720)
    assert window.whole.answers.total() == 1_440
    assert len(series._coarse) <= COARSE_BUCKETS_MAX
    assert len(series._fine) <= FINE_BUCKETS_MAX


async def test_late_and_empty_answers_are_not_valid_in_time(hands):
    # Promise: an answer counts as valid and in time only if it has items and kept its deadline; each once.
    series = Series(hands.clock)
    series.answered(decided(), 149.0)
    series.answered(decided(), 151.0)
    series.answered(decided(items=0), 1.0)
    series.answered(decided(items=0), 151.0)
    whole = (await series.window(60, 1)).whole
    assert (whole.late["home"], whole.empty["home"], whole.late_or_empty["home"]) == (2, 2, 3)


async def test_percentiles_are_close_and_say_where_the_time_went(hands):
    # Promise: a percentile is at most 13 % off, and the budget around it is that of such requests.
    series = Series(hands.clock)
    for number in range(1, 1_001):
        slow = number > 980
        series.answered(decided(history_ms=1.0, inference_ms=100.0 if slow else 2.0), 120.0 if slow else number / 100)
    spent = (await series.window(60, 1)).whole.spent(None)
    assert percentile(spent, 0.5) == pytest.approx(5.0, rel=0.13)
    assert percentile(spent, 0.99) == pytest.approx(120.0, rel=0.13)
    worst = spending(spent, 0.99)
    assert (worst.history_ms, worst.inference_ms, worst.compose_ms) == (1.0, 100.0, 19.0)
    assert spending({}, 0.5) is None
    assert percentile({}, 0.5) is None


async def test_labels_that_operators_choose_are_bounded(hands):
    # Promise: a thousand placements cost no more memory than LABELS_MAX of them; the rest is counted together.
    series = Series(hands.clock)
    for number in range(1_000):
        series.answered(decided(f"slot-{number}"), 1.0)
    whole = (await series.window(60, 1)).whole
    assert whole.answers.total() == 1_000
    assert len({label[0] for label in whole.answers}) <= LABELS_MAX + 1


def test_lanes_tell_stretches_and_forget_the_oldest(hands):
    # Promise: a lane tells when each state began and ended, only what is in the window, and how much it has forgotten.
    series = Series(hands.clock)
    for second, state in enumerate(("up", "up", "down", "up")):
        hands.now_s = float(second)
        series.enter("inference", state)
    [lane] = series.lanes(START_S)
    assert [(each.state, each.since_s - START_S, each.until_s) for each in lane.stretches] == [
        ("up", 0.0, START_S + 2), ("down", 2.0, START_S + 3), ("up", 3.0, None),
    ]  # fmt: skip
    assert [each.state for each in series.lanes(START_S + 2.5)[0].stretches] == ["down", "up"]
    for flap in range(STRETCHES_MAX):
        series.enter("inference", f"{flap % 2}")
    [lane] = series.lanes(START_S)
    assert (len(lane.stretches), lane.dropped) == (STRETCHES_MAX, 3)


def test_marks_are_bounded_and_a_new_model_is_one(hands):
    # Promise: the moments to draw across the lanes are the newest MARKS_MAX; that another model gives most answers is
    # among them, that a canary gives some is not.
    series = Series(hands.clock)
    for versions in (["m1"] * 9, ["m1", "m2"] * 4, ["m1", "m1", "m2"], ["m2"], [], ["m1"]):
        for version in versions:
            series.answered(decided(source=Source.MODEL, model_version=version), 1.0)
        hands.now_s += FINE_S
        series.current  # noqa: B018 - turns to the next bucket
    assert [mark.label for mark in series.marks if mark.kind is MarkKind.MODEL] == ["m1", "m2", "m1"]
    for number in range(MARKS_MAX + 5):
        series.mark(MarkKind.SNAPSHOT, f"s{number}")
    assert len(series.marks_since(0)) == MARKS_MAX


def test_rejects_are_told_by_a_reason_of_ours(hands):
    # Promise: a reject is counted by status and field; a name that a sender chose never becomes a label.
    series = Series(hands.clock)

    def refused(detail):
        return EventResult(index=0, event_id=None, status=EventStatus.REJECTED_INVALID, detail=detail)

    duplicate = EventResult(index=1, event_id="x", status=EventStatus.DUPLICATE)
    series.reported([], [refused("item_id: Field required"), refused("my_own_field: Extra inputs"), duplicate])
    assert dict(series.current.rejects) == {
        "rejected_invalid:item_id": 1, "rejected_invalid:other": 1, "duplicate": 1,
    }  # fmt: skip
