"""A run in which every promise held, to be spoilt by tests: 10 requests/s, 5 s before, 10 s of fault, 12 s after."""

from dataclasses import replace
from typing import Any

from evershelf.contracts.recommendations import Reason, Source
from evershelf.drills.answers import Answer, Mishap
from evershelf.drills.assess import Observed, Phases, Timeline
from evershelf.drills.figures import figures
from evershelf.drills.judge import Verdict
from evershelf.drills.link import Call
from evershelf.drills.matrix import rows
from evershelf.drills.plan import Ask

RATE_PER_S = 10
TIMELINE = Timeline(began_s=100.0, fault_s=105.0, struck_s=105.0, healing_s=115.0, healed_s=115.0, ended_s=127.0)
DEAD = next(row for row in rows() if row.name == "inference-dead")
ASKS = [[Ask("GET", "/")]]


def verdict(due_s: float, reason: Reason = Reason.PERSONALIZED, *, took_s: float = 0.01, **other: Any) -> Verdict:
    source = Source.MODEL if reason is Reason.PERSONALIZED else Source.RELATED
    answer = Answer(due_s, due_s, due_s + took_s, 0, 0, 200, Mishap.NONE, 1, b"")
    return replace(Verdict(answer, (), source, reason, source is not Source.MODEL), **other)


def call(at_s: float, **other: Any) -> Call:
    whole = {"budget_ms": 140, "queries": 1, "is_probe": False, "duration_ms": 4.0} | other
    return Call(at_s, **whole)


def sound_verdicts() -> list[Verdict]:
    """The model answers; then two calls fail and the circuit is open; after a second of healing the model is back."""
    told = []
    for number in range(int((TIMELINE.ended_s - TIMELINE.began_s) * RATE_PER_S)):
        due_s = TIMELINE.began_s + number / RATE_PER_S
        away = TIMELINE.fault_s <= due_s < TIMELINE.healed_s + 1
        reason = Reason.CIRCUIT_OPEN if away else Reason.PERSONALIZED
        told.append(verdict(due_s, Reason.INFERENCE_UNAVAILABLE if away and due_s < 105.2 else reason))
    return told


def sound_calls() -> list[Call]:
    users = [call(v.answer.due_s) for v in sound_verdicts() if v.reason is not Reason.CIRCUIT_OPEN]
    probes = [call(at_s, is_probe=True, duration_ms=None) for at_s in (107.0, 110.0, 113.0)]
    return [*users, *probes]


def observed(verdicts: list[Verdict] | None = None, **other: Any) -> Observed:
    told = sound_verdicts() if verdicts is None else verdicts
    counted: dict[str, float] = {}
    for each in told:
        if each.source is not None:
            name = f"{each.source} {each.reason}"
            counted[name] = counted.get(name, 0.0) + 1
    whole = {
        "row": DEAD,
        "budget_ms": 150,
        "timeline": TIMELINE,
        "phases": phases(told),
        "verdicts": told,
        "calls": sound_calls(),
        "felt": True,
        "counted_answers": counted,
        "unbalanced": 0,
        "wrong_doors": {},
        "acknowledged": 50,
        "lost_events": 0,
        "events_refused": 0,
        "events_odd": 0,
    }
    return Observed(**(whole | other))


def phases(told: list[Verdict]) -> Phases:
    def phase(from_s: float, until_s: float):
        chosen = [each for each in told if from_s <= each.answer.due_s < until_s]
        return figures(chosen, ASKS, seconds=until_s - from_s)

    return Phases(phase(100, 105), phase(105, 115), phase(115, 127), phase(121, 127))
