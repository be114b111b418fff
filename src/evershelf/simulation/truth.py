"""What the simulated world knows to be true, for the checks to compare with what the gateway said."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from evershelf.gateway.rehearsal import FIRST_LOOK_S, LOOK_EVERY_S
from evershelf.simulation import shop
from evershelf.simulation.clients import Question, Report
from evershelf.simulation.gateway_process import Answer
from evershelf.simulation.tables import POISON

SUPPRESSION_S = 5.0
SWAP_S = 5.0
REHEARSAL_S = 0.5  # of a look at the rungs, from when it is due to its last call


@dataclass(frozen=True, slots=True)
class Pause:
    """A time in which the gateway could do nothing at all."""

    start_s: float
    end_s: float


@dataclass(eq=False)
class Truth:
    """Kept by the world as it goes along; times are virtual seconds."""

    hidden_since_s: dict[str, float] = field(default_factory=dict)  # suppressed now, since when
    shown_since_s: dict[str, float] = field(default_factory=dict)  # shown again, since when
    pauses: list[Pause] = field(default_factory=list)
    down_s: list[tuple[float, float | None]] = field(default_factory=list)  # from, to
    started_s: list[tuple[float, float]] = field(default_factory=list)  # each gateway: from, ready
    news_since_s: float = 0.0  # since when the gateway can hear of changes
    deaf: set[str] = field(default_factory=set)  # what keeps it from hearing of any
    surely_heard: set[str] = field(default_factory=set)  # suppressions that it knew before it became deaf
    acked: dict[UUID, Report] = field(default_factory=dict)
    sent_bodies: dict[UUID, list[Any]] = field(default_factory=dict)
    exempt: set[UUID] = field(default_factory=set)  # acknowledged, and on the disk that was damaged
    interested: set[str] = field(default_factory=set)  # users and sessions with an acknowledged interaction
    bought: dict[str | None, set[str]] = field(default_factory=dict)  # what somebody reported as purchased, by whom
    forgotten_s: float = -1e9  # when the spool last lost its memory of ids
    pointed_at: str = ""  # the registry's current snapshot
    pointed_s: float = -1e9  # since when
    broken: set[str] = field(default_factory=set)  # snapshots that cannot be adopted any more
    under_way: dict[int, Question] = field(default_factory=dict)

    def paused_s(self, start_s: float, end_s: float) -> float:
        """How much of a time the gateway was paused."""
        return sum(max(0.0, min(end_s, p.end_s) - max(start_s, p.start_s)) for p in self.pauses)

    def was_down(self, start_s: float, end_s: float) -> bool:
        """Whether there was no gateway at some moment of a time."""
        return any(down_s <= end_s and (up_s is None or up_s >= start_s) for down_s, up_s in self.down_s)

    def may_rehearse(self, at_s: float) -> bool:
        """Whether the gateway may ask inference for nobody: it looks at its rungs soon after its start, then rarely."""
        if not self.started_s:
            return False
        began_s, ready_s = self.started_s[-1]
        since_s = at_s - began_s - FIRST_LOOK_S
        return since_s >= 0 and since_s % LOOK_EVERY_S <= ready_s - began_s + REHEARSAL_S

    def surely_adopted(self, asked_s: float) -> str | None:
        """The snapshot that an answer to what was asked then comes from, if the gateway has had time to adopt it."""
        settled = asked_s - self.pointed_s > SWAP_S and self.paused_s(asked_s - SWAP_S, asked_s) == 0
        return self.pointed_at if settled and self.pointed_at not in self.broken else None

    def may_be_shown(self, item_id: str, *, asked_s: float, unix_s: float) -> bool:
        """Whether an answer to what was asked at `asked_s` may show the item, given when the gateway could know."""
        item = shop.by_id().get(item_id)
        if item is None or not item.available:
            return False
        if item.expires_at is not None and item.expires_at.timestamp() <= unix_s:
            return False
        hidden_s = self.hidden_since_s.get(item_id)
        if hidden_s is None:
            return True
        if item_id in self.surely_heard:
            return False
        return bool(self.deaf) or asked_s - max(hidden_s, self.news_since_s) <= SUPPRESSION_S

    def takes_interest(self, report: Report) -> None:
        """From now on there is a history of whoever this is about, unless the event is one that no table takes."""
        if report.is_interaction and not report.body["item_id"].startswith(POISON):
            self.interested |= {report.body[who] for who in ("user_id", "session_id") if who in report.body}

    def becomes_deaf(self, why: str, *, now_s: float) -> None:
        """From now on no news can reach the gateway; what it has heard by now it has to keep."""
        if not self.deaf:
            self.surely_heard |= {
                item_id
                for item_id, hidden_s in self.hidden_since_s.items()
                if now_s - max(hidden_s, self.news_since_s) > SUPPRESSION_S
            }
        self.deaf.add(why)

    def hears_again(self, why: str, *, now_s: float) -> None:
        """That is over."""
        if why in self.deaf:
            self.deaf.discard(why)
            self.news_since_s = now_s

    def surely_eligible(self, question: Question) -> int:
        """How many items there are for this question, not counting what some rule may hide."""
        return sum(1 for _ in self._eligible(question))

    def _eligible(self, question: Question) -> Iterator[str]:
        body = question.body
        out = {*body.get("context_items", ()), *body.get("exclude", ()), *self.hidden_since_s}
        out |= self.bought.get(body.get("user_id"), set()) | self.bought.get(body.get("session_id"), set())
        for item_id in shop.lasting(body.get("category")):
            shown_s = self.shown_since_s.get(item_id)
            if item_id not in out and (shown_s is None or question.sent_s - shown_s > 2 * SUPPRESSION_S):
                yield item_id


@dataclass(frozen=True, slots=True)
class Asked:
    """A question with what came back."""

    question: Question
    answer: Answer | None
    unix_s: float  # when the answer came
    began_unix_s: float
