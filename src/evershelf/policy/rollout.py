"""Rolling out a challenger: how much of the traffic it gets, and what takes it away again.

A challenger is first of all shadowed: it gets copies of requests, and its answers are compared and thrown away. A
canary besides answers a share of the users, stage by stage. Guardrails judge both kinds of evidence; one that breaks
ends it.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

# Shadowed or served answers that are needed before anything but the first stage is entered, and before a verdict.
ANSWERS_MIN = 40
INVALID_SHARE_MAX = 0.02
EMPTY_SHARE_ABOVE_MAX = 0.1
TIME_OUT_SHARE_ABOVE_MAX = 0.05
# The challenger may take three times as long as the champion, and in any case a few milliseconds more.
LATENCY_TIMES_MAX = 3.0
LATENCY_ABOVE_MS_MAX = 10.0
OVERLAP_MIN = 0.25
# Answers of each arm before their click-through is compared.
CLICK_ANSWERS_MIN = 1_000
WILSON_Z = 1.96
# What is usual is told by about so many calls.
RECENT_CALLS_MAX = 4_000
# Evidence fades down to half of so many, never further: enough that chance breaks no guardrail, and so few that about
# ANSWERS_MIN bad answers show among them, however many good ones there were before.
FADING_CALLS_MIN = 400
FADING_COMPARED_MIN = 2 * ANSWERS_MIN


class Guardrail(StrEnum):
    """What ends a rollout when it is broken."""

    INVALID = "invalid"
    EMPTY = "empty"
    TIME_OUTS = "time_outs"
    LATENCY = "latency"
    OVERLAP = "overlap"
    CLICK_THROUGH = "click_through"


@dataclass(frozen=True, slots=True)
class Stage:
    """A share of the users, for at least so long."""

    share: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Arm:
    """What one model did: calls, and how they came out. `latency_ms` is the sum over calls that were answered."""

    calls: int = 0
    invalid: int = 0
    empty: int = 0
    time_outs: int = 0
    answered: int = 0
    latency_ms: float = 0.0
    answers: int = 0  # recommendations whose clicks are known
    clicks: int = 0  # of those, clicked

    def share(self, count: int) -> float:
        """A count as a share of the calls."""
        return count / self.calls if self.calls else 0.0

    @property
    def mean_ms(self) -> float:
        """The mean time of an answered call."""
        return self.latency_ms / self.answered if self.answered else 0.0


@dataclass(frozen=True, slots=True)
class Evidence:
    """Both arms, and how alike their lists were where both were asked the same."""

    champion: Arm = field(default_factory=Arm)
    challenger: Arm = field(default_factory=Arm)
    compared: int = 0
    overlap: float = 0.0  # sum over those compared, each 0..1

    @property
    def mean_overlap(self) -> float:
        """The mean share that two lists had in common."""
        return self.overlap / self.compared if self.compared else 0.0


class CallKind(StrEnum):
    """How one call of a model came out, as far as guardrails go."""

    ANSWERED = "answered"
    EMPTY = "empty"
    INVALID = "invalid"
    TIME_OUT = "time_out"


def seen(arm: Arm, kind: CallKind, elapsed_ms: float) -> Arm:
    """The arm after one more call."""
    answered = kind in {CallKind.ANSWERED, CallKind.EMPTY}
    return replace(
        arm,
        calls=arm.calls + 1,
        invalid=arm.invalid + (kind is CallKind.INVALID),
        empty=arm.empty + (kind is CallKind.EMPTY),
        time_outs=arm.time_outs + (kind is CallKind.TIME_OUT),
        answered=arm.answered + answered,
        latency_ms=arm.latency_ms + (elapsed_ms if answered else 0.0),
    )


def stage_at(stages: tuple[Stage, ...], elapsed_s: float, evidence: Evidence) -> int:
    """The stage that is due after so long; without enough evidence never beyond the first. len(stages): it is over."""
    ends_s, due = 0.0, 0
    for stage in stages:
        ends_s += stage.seconds
        if elapsed_s < ends_s:
            break
        due += 1
    return due if evidence.challenger.calls >= ANSWERS_MIN else 0


def broken(evidence: Evidence) -> tuple[Guardrail, str] | None:
    """The guardrail that the challenger breaks, with the figures; None while all hold or too little was seen."""
    champion, challenger = evidence.champion, evidence.challenger
    if challenger.calls < ANSWERS_MIN:
        return None
    allowed_ms = max(LATENCY_TIMES_MAX * champion.mean_ms, champion.mean_ms + LATENCY_ABOVE_MS_MAX)
    figures: Mapping[Guardrail, tuple[float, float]] = {
        Guardrail.INVALID: (challenger.share(challenger.invalid), INVALID_SHARE_MAX),
        Guardrail.EMPTY: (challenger.share(challenger.empty), champion.share(champion.empty) + EMPTY_SHARE_ABOVE_MAX),
        Guardrail.TIME_OUTS: (
            challenger.share(challenger.time_outs),
            champion.share(champion.time_outs) + TIME_OUT_SHARE_ABOVE_MAX,
        ),
        Guardrail.LATENCY: (challenger.mean_ms, allowed_ms if champion.answered >= ANSWERS_MIN else math.inf),
        Guardrail.OVERLAP: (
            1.0 - evidence.mean_overlap if evidence.compared >= ANSWERS_MIN else 0.0,
            1.0 - OVERLAP_MIN,
        ),
    }
    for guardrail, (value, limit) in figures.items():
        if value > limit:
            return guardrail, f"{value:.3f}, at most {limit:.3f} is allowed"
    return _clicks(champion, challenger)


def unfit(former: Arm, champion: Arm) -> tuple[Guardrail, str] | None:
    """The guardrail that a new champion breaks beside the one before it, with the figures.

    Where too little was seen of that one, only what needs no comparison is judged.
    """
    verdict = broken(Evidence(champion=former, challenger=champion))
    if verdict is not None and former.calls < ANSWERS_MIN and verdict[0] is not Guardrail.INVALID:
        return None
    return verdict


def recent(arm: Arm, *, calls_max: int = RECENT_CALLS_MAX) -> Arm:
    """The arm, halved once it has grown to `calls_max`: old calls fade."""
    if arm.calls < calls_max:
        return arm
    halves = {name: getattr(arm, name) // 2 for name in ("calls", "invalid", "empty", "time_outs", "answered")}
    return replace(arm, **halves, latency_ms=arm.latency_ms / 2)


def faded(evidence: Evidence) -> Evidence:
    """The evidence with its calls counting half, where enough remain to judge by; clicks are no calls.

    Both arms fade at once, or what befell both at one time would be held against the one that remembers it longer.
    """
    if evidence.compared >= FADING_COMPARED_MIN:
        evidence = replace(evidence, compared=evidence.compared // 2, overlap=evidence.overlap / 2)
    if evidence.challenger.calls < FADING_CALLS_MIN:
        return evidence
    champion, challenger = (recent(arm, calls_max=FADING_CALLS_MIN) for arm in (evidence.champion, evidence.challenger))
    return replace(evidence, champion=champion, challenger=challenger)


def _clicks(champion: Arm, challenger: Arm) -> tuple[Guardrail, str] | None:
    if min(champion.answers, challenger.answers) < CLICK_ANSWERS_MIN:
        return None
    low, _ = wilson(champion.clicks, champion.answers)
    _, high = wilson(challenger.clicks, challenger.answers)
    if high >= low:
        return None
    return (
        Guardrail.CLICK_THROUGH,
        f"at most {high:.2%} of its answers are clicked, at least {low:.2%} of the champion's",
    )


def wilson(count: int, total: int, *, z: float = WILSON_Z) -> tuple[float, float]:
    """The 95 % interval of a share. Source: Wilson (1927), "Probable inference, the law of succession"."""
    if total <= 0:
        return 0.0, 1.0
    share, spread = count / total, z * z / total
    middle = (share + spread / 2) / (1 + spread)
    half = z * math.sqrt(share * (1 - share) / total + spread / (4 * total)) / (1 + spread)
    return max(0.0, middle - half), min(1.0, middle + half)
