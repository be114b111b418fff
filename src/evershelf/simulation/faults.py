"""What can go wrong in the simulated world, when it does in a given run, and how often it really did."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random


class Fault(StrEnum):
    """A kind of trouble. Each lasts for a while; those marked "once" strike once, at the beginning of it."""

    INFERENCE_DEAD = "inference_dead"  # refused, and what stood is reset
    INFERENCE_FROZEN = "inference_frozen"  # accepts, then silence
    INFERENCE_UNREACHABLE = "inference_unreachable"  # connecting never ends
    INFERENCE_SLOW = "inference_slow"
    INFERENCE_SOMETIMES_SLOW = "inference_sometimes_slow"  # 5 % of its answers, fifty times as slow
    INFERENCE_ERRORS = "inference_errors"  # 500, most of the time
    INFERENCE_BUSY = "inference_busy"  # 429 or 503
    INFERENCE_NO_MODEL = "inference_no_model"
    INFERENCE_HESITANT = "inference_hesitant"  # nothing to rank, or not sure of it: sound answers both
    INFERENCE_GARBAGE = "inference_garbage"
    INFERENCE_TRICKLE = "inference_trickle"  # one byte every 80 ms
    INFERENCE_CUT = "inference_cut"  # reset in the middle of the body
    POSTGRES_DOWN = "postgres_down"
    POSTGRES_FROZEN = "postgres_frozen"
    POSTGRES_SLOW = "postgres_slow"
    POSTGRES_FLAKY = "postgres_flaky"  # 30 % of the statements fail
    POSTGRES_FULL_HOUSE = "postgres_full_house"  # no connections left
    POSTGRES_COMMIT_UNTOLD = "postgres_commit_untold"  # committed, and the connection breaks before that is said
    NOTIFICATION_LOST = "notification_lost"
    POISON_EVENT = "poison_event"  # clients send events that no table takes
    DISK_FULL = "disk_full"  # the spool's: a short write comes first
    DISK_SYNC_FAILS = "disk_sync_fails"  # nothing is committed, or it is and that is not told
    DISK_SLOW = "disk_slow"
    DISK_HANGS = "disk_hangs"  # longer than anybody waits
    SPOOL_DAMAGED = "spool_damaged"  # once, with a restart
    MIRROR_DAMAGED = "mirror_damaged"  # once, with a restart
    SNAPSHOT_NEW = "snapshot_new"  # once: another one is published, under load
    SNAPSHOT_BROKEN = "snapshot_broken"  # once: one with a flipped bit is published
    SNAPSHOT_BACK = "snapshot_back"  # once: the registry goes back to an older one
    REGISTRY_GONE = "registry_gone"
    GATEWAY_KILLED = "gateway_killed"  # once, and started again a moment later
    GATEWAY_KILLED_WRITING = "gateway_killed_writing"  # once, between a write and its answer
    GATEWAY_RESTARTED = "gateway_restarted"  # once, in order
    GATEWAY_STOPPED = "gateway_stopped"  # SIGSTOP, then SIGCONT
    LOOP_STALLED = "loop_stalled"  # once: 50 to 200 ms
    CLOCK_STEPS = "clock_steps"  # once: an hour forward or back
    BURST = "burst"  # ten times the load
    ALONE = "alone"  # inference and PostgreSQL gone, and the gateway restarts


FIRST_FAULT_S = 3.0
FAULT_S = (1.0, 7.0)
FAULTS_A_RUN = 3
TURNS_A_RUN = 2  # of those; the rest is drawn
DISK_HANGS_S = 11.0  # the spool gives up after 10 s
CHANCE_OF_STRIKING = {
    Fault.INFERENCE_SOMETIMES_SLOW: 0.05,
    Fault.POSTGRES_FLAKY: 0.3,
    Fault.POSTGRES_SLOW: 0.7,
    Fault.POISON_EVENT: 0.2,
    Fault.DISK_SYNC_FAILS: 0.5,
    Fault.POSTGRES_COMMIT_UNTOLD: 0.5,
    Fault.INFERENCE_GARBAGE: 0.8,
    Fault.INFERENCE_ERRORS: 0.6,
}


@dataclass(frozen=True, slots=True)
class Happening:
    """One fault of a run; times are seconds since its beginning."""

    fault: Fault
    start_s: float
    end_s: float


def schedule(seed: int, random: Random, *, end_s: float) -> list[Happening]:
    """A few faults that may overlap, by their start. Neighbouring seeds take turns: none is left out."""
    kinds = list(Fault)
    in_turn = [kinds[(seed * TURNS_A_RUN + number) % len(kinds)] for number in range(TURNS_A_RUN)]
    chosen = [*in_turn, *random.choices(kinds, k=FAULTS_A_RUN - TURNS_A_RUN)]
    happenings = []
    for fault in dict.fromkeys(chosen):
        lasts_s = DISK_HANGS_S if fault is Fault.DISK_HANGS else random.uniform(*FAULT_S)
        start_s = random.uniform(FIRST_FAULT_S, end_s - lasts_s)
        happenings.append(Happening(fault, start_s, start_s + lasts_s))
    return sorted(happenings, key=lambda each: (each.start_s, each.fault))


@dataclass(eq=False)
class Weather:
    """Which faults are on at this moment. `strikes` asks, decides by chance, and counts what really happened."""

    random: Random
    now_s: Callable[[], float]
    on: set[Fault] = field(default_factory=set)
    fired: Counter[Fault] = field(default_factory=Counter)
    ended_s: dict[Fault, float] = field(default_factory=dict)
    lingers_until_s: dict[Fault, float] = field(default_factory=dict)

    def begin(self, fault: Fault) -> None:
        """The fault is on from now on."""
        self.on.add(fault)

    def end(self, fault: Fault) -> None:
        """The fault is over."""
        self.on.discard(fault)
        self.ended_s[fault] = self.now_s()

    def strikes(self, fault: Fault) -> bool:
        """Whether it happens here and now."""
        if not self.on or fault not in self.on or self.random.random() >= CHANCE_OF_STRIKING.get(fault, 1.0):
            return False
        self.happened(fault)
        return True

    def lingers(self, fault: Fault, for_s: float) -> None:
        """What it did now is felt in so many seconds, be it over by then: an answer that it holds up."""
        self.lingers_until_s[fault] = max(self.now_s() + for_s, self.lingers_until_s.get(fault, 0.0))

    def happened(self, fault: Fault) -> None:
        """Counts one."""
        self.fired[fault] += 1

    def recently(self, *faults: Fault, within_s: float) -> bool:
        """Whether one of them is on, or was, or was felt, a moment ago."""
        since_s = self.now_s() - within_s
        felt = (self.ended_s, self.lingers_until_s)
        return any(fault in self.on or any(times.get(fault, -1e9) >= since_s for times in felt) for fault in faults)

    def between(self, low: float, high: float) -> float:
        """A number by chance."""
        return self.random.uniform(low, high)

    def one_of(self, choices: Sequence[str]) -> str:
        """One by chance."""
        return self.random.choice(choices)
