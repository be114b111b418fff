"""The promises, as checks of what was seen from outside: answers, calls to inference, and what PostgreSQL holds."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import orjson
from pydantic import ValidationError

from evershelf.contracts.recommendations import TROUBLE, Reason, Recommendation, Source
from evershelf.policy.call_time import FORGET_S
from evershelf.simulation import inference, shop
from evershelf.simulation.clients import DEFAULT_BUDGET_MS, Question
from evershelf.simulation.faults import Fault, Weather
from evershelf.simulation.truth import Asked, Truth

LATE_S = 1e-6  # rounding
SMALL_BUDGET_MS = 60  # a sound inference may take as long
MEMORY_S = 12.0  # for so long trouble may explain a reason: an open circuit, a full queue
# All other trouble is forgotten with the times that calls took; the last slow answer has its way back before it.
RECENT_S = FORGET_S + 0.05
VIOLATIONS_KEPT = 3  # of each promise

_INFERENCE = (*(fault for fault in Fault if fault.startswith("inference")), Fault.ALONE)
_POSTGRES = (*(fault for fault in Fault if fault.startswith("postgres")), Fault.ALONE)
_RESTARTS = (
    Fault.GATEWAY_KILLED, Fault.GATEWAY_KILLED_WRITING, Fault.GATEWAY_RESTARTED, Fault.SPOOL_DAMAGED,
    Fault.MIRROR_DAMAGED, Fault.ALONE,
)  # fmt: skip
_BUSY = (Fault.BURST, Fault.LOOP_STALLED, Fault.GATEWAY_STOPPED)
_LATE = (*_INFERENCE, *_POSTGRES, *_RESTARTS, *_BUSY)
# What must have happened lately for a reason to be true; a reason that is not here needs no trouble, or is no excuse.
CAUSES: dict[Reason, tuple[Fault, ...]] = {
    Reason.INFERENCE_UNAVAILABLE: (Fault.INFERENCE_DEAD, Fault.INFERENCE_CUT, Fault.ALONE),
    Reason.INFERENCE_ERROR: (Fault.INFERENCE_ERRORS, Fault.INFERENCE_BUSY, Fault.INFERENCE_GARBAGE),
    Reason.INFERENCE_INVALID: (Fault.INFERENCE_GARBAGE, Fault.INFERENCE_CUT),
    Reason.NO_MODEL: (Fault.INFERENCE_NO_MODEL,),
    Reason.LOW_CONFIDENCE: (Fault.INFERENCE_HESITANT,),
    Reason.CIRCUIT_OPEN: (*_INFERENCE, *_BUSY, *_POSTGRES),
    Reason.HISTORY_UNAVAILABLE: (*_POSTGRES, *_RESTARTS, *_BUSY),
    Reason.OVERLOADED: (*_BUSY, *_INFERENCE, *_POSTGRES),
    Reason.DEADLINE_EXCEEDED: _LATE,
    Reason.BUDGET_TOO_SMALL: _LATE,
}
# While the registry or the disk is away no snapshot can be adopted; a disk that hangs keeps one that long.
_HOLDS_UP_SNAPSHOTS = (Fault.REGISTRY_GONE, Fault.DISK_HANGS, Fault.DISK_SLOW)
HELD_UP_S = 16.0
_FITS_SMALL_BUDGETS = {Reason.DEADLINE_EXCEEDED, Reason.BUDGET_TOO_SMALL, Reason.HISTORY_UNAVAILABLE}


@dataclass(frozen=True, slots=True)
class Violation:
    """A promise that was broken: which, when (virtual seconds), and how."""

    guarantee: str
    at_s: float
    detail: str


@dataclass(eq=False)
class Checks:
    """Collects violations: the first few of each promise."""

    truth: Truth
    weather: Weather
    now_s: Callable[[], float]
    violations: list[Violation] = field(default_factory=list)
    recommendation_ids: set[str] = field(default_factory=set)

    def fail(self, guarantee: str, detail: str) -> None:
        """Notes one."""
        if sum(each.guarantee == guarantee for each in self.violations) < VIOLATIONS_KEPT:
            self.violations.append(Violation(guarantee, round(self.now_s(), 6), detail))

    def answered(self, asked: Asked) -> Recommendation | None:
        """G1, G2, G4, G5, G7 of one answer; returns it parsed, or None where there rightly is none."""
        question, answer = asked.question, asked.answer
        end_s = answer.at_s if answer is not None else self.now_s()
        if answer is None or answer.status != 200:
            if not self.truth.was_down(question.sent_s, end_s):
                told = "no answer" if answer is None else f"{answer.status} {answer.body[:200]!r}"
                self.fail("G1", f"{told} to {dict(question.body)}")
            return None
        pause_s = self.truth.paused_s(question.sent_s, end_s)
        late_s = end_s - question.sent_s - question.due_ms / 1_000 - pause_s
        if late_s > LATE_S:
            self.fail("G2", f"{late_s * 1_000:.1f} ms after a budget of {question.due_ms} ms: {_short(answer.body)}")
        try:
            shelf = Recommendation.model_validate_json(answer.body)
        except ValidationError as error:
            self.fail("G1", f"not a recommendation: {error.errors(include_url=False)[:1]}")
            return None
        self._list_is_right(asked, shelf)
        self._told_is_true(asked, shelf)
        self._comes_from(question, shelf)
        return shelf

    def _list_is_right(self, asked: Asked, shelf: Recommendation) -> None:
        question = asked.question
        item_ids = [place.item_id for place in shelf.items]
        scores = [place.score for place in shelf.items]
        ranks = [place.rank for place in shelf.items]
        if len(set(item_ids)) != len(item_ids) or ranks != list(range(1, len(ranks) + 1)):
            self.fail("G4", f"items twice, or ranks that do not count: {item_ids} {ranks}")
        if scores != sorted(scores, reverse=True):
            self.fail("G4", f"scores rise: {scores}")
        unix_s = min(asked.unix_s, asked.began_unix_s)
        at_least = min(question.k, self.truth.surely_eligible(question))
        if not at_least <= len(item_ids) <= question.k:
            self.fail("G4", f"{len(item_ids)} items where {at_least} to {question.k} are due: {dict(question.body)}")
        refused = {*question.body.get("exclude", ()), *question.body.get("context_items", ())}
        for item_id in item_ids:
            if item_id in refused:
                self.fail("G4", f"{item_id} was to be left out")
            elif not self.truth.may_be_shown(item_id, asked_s=question.sent_s, unix_s=unix_s):
                known = item_id in self.truth.hidden_since_s
                self.fail("G7" if known else "G4", f"{item_id} is shown and must not be: {shelf.source} {shelf.reason}")

    def _comes_from(self, question: Question, shelf: Recommendation) -> None:
        """G22: a snapshot that was put in force, new or old, is in use within 5 s; G24: the baseline stands by."""
        due = self.truth.surely_adopted(question.sent_s)
        held_up = self.weather.recently(*_HOLDS_UP_SNAPSHOTS, within_s=HELD_UP_S)
        if due is not None and shelf.snapshot.version != due and not held_up:
            self.fail("G22", f"from snapshot {shelf.snapshot.version} long after {due} was put in force")
        if all(attempt.source is Source.MODEL for attempt in shelf.attempts):
            self.fail("G24", f"no baseline was made: {shelf.source} {shelf.reason}")

    def _told_is_true(self, asked: Asked, shelf: Recommendation) -> None:
        question = asked.question
        sources = {place.source for place in shelf.items}
        outcomes = [attempt.outcome for attempt in shelf.attempts]
        if shelf.deadline_ms != question.due_ms:
            self.fail("G5", f"deadline_ms {shelf.deadline_ms} where {question.due_ms} holds")
        if str(shelf.recommendation_id) in self.recommendation_ids:
            self.fail("G5", "a recommendation_id comes twice")
        self.recommendation_ids.add(str(shelf.recommendation_id))
        if (Source.MODEL in sources) != (shelf.model_version == inference.MODEL_VERSION):
            self.fail("G5", f"model_version {shelf.model_version!r} with items from {sorted(sources)}")
        if shelf.items and shelf.source is not shelf.items[0].source:
            self.fail("G5", f"source {shelf.source} on a list of {shelf.items[0].source}")
        if shelf.degraded != any(outcome in TROUBLE for outcome in outcomes):
            self.fail("G5", f"degraded {shelf.degraded} with {outcomes}")
        if shelf.snapshot.age_s > asked.unix_s - shop.OPENING.timestamp() + 4 * 3_600:
            self.fail("G5", f"a snapshot of {shelf.snapshot.age_s} s")
        if shelf.reason not in {*outcomes, Reason.EMPTY_CATALOG}:
            self.fail("G5", f"reason {shelf.reason} is no attempt's outcome: {outcomes}")
        for reason in {shelf.reason, *outcomes}:
            self._reason_is_true(question, reason)

    def _reason_is_true(self, question: Question, reason: Reason) -> None:
        if reason is Reason.INTERNAL_ERROR:
            self.fail("G1", "internal_error: a bug was survived")
        who = {question.body.get("user_id"), question.body.get("session_id")} & self.truth.interested
        if reason is Reason.NO_HISTORY and (who or question.body.get("context_items")):
            self.fail("G5", f"no_history, and there is one: {dict(question.body)}")
        if (causes := CAUSES.get(reason)) is None:
            return
        small = question.due_ms <= SMALL_BUDGET_MS and reason in _FITS_SMALL_BUDGETS
        within_s = MEMORY_S if reason in {Reason.CIRCUIT_OPEN, Reason.OVERLOADED} else RECENT_S
        within_s += self.now_s() - question.sent_s  # the reason may be as old as the question
        if not small and not self.weather.recently(*causes, within_s=within_s):
            self.fail("G5", f"{reason} for a budget of {question.due_ms} ms, and nothing of the kind has happened")

    def called(self, call: inference.Call) -> None:
        """G3: a call is made for somebody who still waits, with what is left of a budget."""
        if call.probe:
            return
        if call.budget_ms is None:
            self.fail("G3", "a call to inference without its budget")
            return
        if call.budget_ms < 1:
            self.fail("G3", f"a call with a budget of {call.budget_ms} ms")
        waiting = [
            question
            for question in self.truth.under_way.values()
            if question.sent_s + question.due_ms / 1_000 + 0.001 >= call.at_s and question.due_ms >= call.budget_ms
        ]
        rehearsed = call.budget_ms <= DEFAULT_BUDGET_MS and self.truth.may_rehearse(call.at_s)
        paused = self.weather.recently(Fault.GATEWAY_STOPPED, Fault.LOOP_STALLED, within_s=2.0)
        if not waiting and not rehearsed and not paused:
            self.fail("G3", f"a call with a budget of {call.budget_ms} ms for nobody who waits")

    def conserved(self, figures: Mapping[str, float]) -> None:
        """G11: what the spool has accepted is stored, dead or pending."""
        accepted, *parts = (
            figures[f"evershelf_spool_events_{name}"] for name in ("accepted", "stored", "dead", "pending")
        )
        if accepted != sum(parts):
            self.fail("G11", f"accepted {accepted} is not stored, dead, pending {parts}")


def user_calls(calls: Sequence[inference.Call]) -> Iterator[inference.Call]:
    """All but the probes."""
    return (call for call in calls if not call.probe)


def _short(body: bytes) -> str:
    try:
        told = orjson.loads(body)
    except orjson.JSONDecodeError:
        return repr(body[:100])
    return f"{told.get('source')} {told.get('reason')} after {told.get('elapsed_ms')} ms"
