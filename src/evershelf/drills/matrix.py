"""The fault matrix: every row that can be injected on one machine, and the pairs of rows of different components."""

from collections.abc import Callable, Iterator, Sequence
from itertools import combinations

from evershelf.contracts.recommendations import Reason
from evershelf.drills import gateway_faults, inference_faults, postgres_faults, process_faults, snapshot_faults
from evershelf.drills.injection import Injection, both, on_link, stub
from evershelf.drills.link_fault import Ending, LinkFault, Trickle
from evershelf.drills.rig import GATEWAY, INFERENCE, POSTGRES
from evershelf.drills.row import Component, ModelShare, Row, Stop, pair
from evershelf.drills.stub_inference import Play

UNAVAILABLE = frozenset({Reason.INFERENCE_UNAVAILABLE})
LATE = frozenset({Reason.DEADLINE_EXCEEDED})
ERROR = frozenset({Reason.INFERENCE_ERROR})
INVALID = frozenset({Reason.INFERENCE_INVALID})
OPEN = frozenset({Reason.CIRCUIT_OPEN})
UNREAD = frozenset({Reason.HISTORY_UNAVAILABLE})
MEGABIT_BYTES_PER_S = 125_000.0
MID_BODY = 180  # beyond the head of a reply, before the end of the shortest, which is a probe's
PAIRED = (Component.INFERENCE, Component.POSTGRES, Component.SNAPSHOT)
# One row of each kind of trouble: dead, silent, slow, lying, read-only, damaged. All pairs of all rows: `every-pair`.
REPRESENTATIVES = (
    "inference-dead", "inference-frozen", "inference-garbage-nan",
    "postgres-stopped", "postgres-frozen", "postgres-read-only",
    "snapshot-bit-flip", "snapshot-missing",
)  # fmt: skip
CORE = ("inference-dead", "postgres-stopped", "snapshot-bit-flip")
# One row of each kind: what `make chaos` has time for.
SHORT = frozenset({
    "inference-dead", "inference-frozen", "inference-black-hole", "inference-reset", "inference-trickle-body",
    "inference-slow-10x", "inference-too-slow", "inference-crash-loop", "inference-errors", "inference-garbage-nan",
    "inference-garbage-duplicates", "inference-garbage-bomb", "inference-garbage-flood", "inference-garbage-empty",
    "postgres-stopped", "postgres-frozen", "postgres-black-hole", "postgres-read-only", "postgres-locked",
    "postgres-full", "snapshot-missing", "snapshot-bit-flip", "snapshot-future", "network-loss-10", "network-resets",
    "gateway-killed", "gateway-frozen", "gateway-rolling-restart", "gateway-bad-settings", "clients-slow-heads",
    "spool-disk-full", "monitoring-log-blocked",
})  # fmt: skip


def rows() -> tuple[Row, ...]:
    """All rows, by component."""
    return (*_inference(), *_garbage(), *_postgres(), *_snapshot(), *_network(), *_gateway(), *_around())


def core() -> tuple[Row, ...]:
    """What must hold over 100,000 requests each: inference, PostgreSQL and the snapshot gone, and any two of them."""
    alone = [row for row in rows() if row.name in CORE]
    return (*alone, *_paired(alone))


def pairs(*, every: bool) -> tuple[Row, ...]:
    """Two faults at a time, of inference, PostgreSQL and snapshot: of the representatives, or of every row."""
    chosen = [row for row in rows() if row.component in PAIRED and (every or row.name in REPRESENTATIVES)]
    return _paired(chosen)


def _paired(chosen: Sequence[Row]) -> tuple[Row, ...]:
    return tuple(
        pair(first, second, both(first.inject, second.inject))
        for first, second in combinations(chosen, 2)
        if first.component is not second.component
    )


def _inference() -> Iterator[Row]:
    def row(name: str, failure: str, inject: Injection, *reasons: Reason, cuts_replies: bool = False) -> Row:
        said = frozenset(reasons)
        return Row(
            f"inference-{name}", Component.INFERENCE, failure, inject,
            reasons=said | OPEN, must_say=(said, OPEN), model=ModelShare.NONE, stop=Stop.DEAD,
            cuts_replies=cuts_replies,
        )  # fmt: skip

    def link(**fault: object) -> Injection:
        return on_link(INFERENCE, LinkFault(**fault))  # type: ignore[arg-type]  # a table reads better untyped

    dropped, late = Reason.INFERENCE_UNAVAILABLE, Reason.DEADLINE_EXCEEDED
    yield row("dead", "`kill -9`", process_faults.killed(INFERENCE), dropped, cuts_replies=True)
    yield row("refused", "nobody listens", link(refuse=True), dropped, cuts_replies=True)
    yield row("reset", "every connection is reset", link(ending=Ending.RESET), dropped)
    yield row("frozen", "SIGSTOP", process_faults.frozen(INFERENCE), late)
    yield row("black-hole", "black hole, new connections and old ones", link(black_hole=True), late)
    yield row("stalled-body", "silent in the middle of a body", link(ending=Ending.STALL, at_byte=MID_BODY), late)
    yield row("cut-body", "closed in the middle of a body", link(ending=Ending.CUT, at_byte=MID_BODY),
              Reason.INFERENCE_INVALID, dropped)  # fmt: skip
    yield row("half-closed", "half-closed in the middle of a body", link(ending=Ending.HALF_CLOSE, at_byte=MID_BODY),
              Reason.INFERENCE_INVALID, dropped, late)  # fmt: skip
    yield row("trickle-head", "1 byte in 80 ms, from the head on", link(trickle=Trickle.HEAD), late)
    yield row("trickle-body", "1 byte in 80 ms, from the body on", link(trickle=Trickle.BODY), late)
    for name, failure, fault in (
        ("slow-2x", "slow, 5 ms more", LinkFault(delay_ms=5, jitter_ms=2)),
        ("slow-10x", "slow, 40 ms more", LinkFault(delay_ms=40, jitter_ms=10)),
        ("slow-some", "5 % of the calls 50 times as slow", LinkFault(share=0.05, delay_ms=200)),
    ):
        yield Row(f"inference-{name}", Component.INFERENCE, failure, on_link(INFERENCE, fault),
                  reasons=LATE | OPEN, model=ModelShare.SOME)  # fmt: skip
    yield Row("inference-too-slow", Component.INFERENCE, "slow beyond every budget", link(delay_ms=2_500),
              reasons=LATE | OPEN, must_say=(LATE, OPEN), model=ModelShare.NONE, stop=Stop.FAILING)  # fmt: skip
    yield Row("inference-blocked", Component.INFERENCE, "event loop blocked for 2 s of every 3 s",
              process_faults.standing_still(INFERENCE, every_s=3.0, for_s=2.0),
              reasons=LATE | OPEN, must_say=(LATE,), model=ModelShare.SOME)  # fmt: skip
    yield Row("inference-crash-loop", Component.INFERENCE, "killed and started again every 2 s",
              inference_faults.crash_loop(), reasons=UNAVAILABLE | OPEN | LATE | frozenset({Reason.NO_MODEL}),
              must_say=(UNAVAILABLE | OPEN,), model=ModelShare.SOME, cuts_replies=True)  # fmt: skip
    yield Row("inference-out-of-memory", Component.INFERENCE, "started with too little memory, again and again",
              inference_faults.out_of_memory, reasons=UNAVAILABLE | OPEN, must_say=(UNAVAILABLE, OPEN),
              model=ModelShare.NONE, stop=Stop.DEAD, cuts_replies=True)  # fmt: skip
    yield Row("inference-descriptors", Component.INFERENCE, "no descriptor left",
              inference_faults.without_descriptors,
              reasons=UNAVAILABLE | LATE | OPEN, model=ModelShare.SOME)  # fmt: skip


def _garbage() -> Iterator[Row]:
    def row(name: str, failure: str, play: Play, said: frozenset[Reason], *, share: ModelShare = ModelShare.NONE,
            stop: Stop = Stop.DEAD) -> Row:  # fmt: skip
        return Row(
            f"inference-{name}", Component.INFERENCE, failure, stub(INFERENCE, play),
            reasons=said | OPEN | UNAVAILABLE, must_say=(said,) if said else (), model=share, stop=stop,
            cuts_replies=True,
        )  # fmt: skip

    yield row("errors", "500, 503 and 429 to 30 % of the calls", Play.ERRORS, ERROR,
              share=ModelShare.SOME, stop=Stop.NEVER)  # fmt: skip
    yield row("error-500", "500 to every call", Play.ERROR_500, ERROR)
    yield row("error-503", "503 to every call", Play.ERROR_503, ERROR, stop=Stop.NEVER)
    yield row("error-429", "429 to every call", Play.ERROR_429, ERROR, stop=Stop.NEVER)
    for play, failure in (
        (Play.NAN, "a score is NaN"),
        (Play.INFINITY, "a score is infinite"),
        (Play.DUPLICATES, "an item twice"),
        (Play.WRONG_TYPES, "a score in words"),
        (Play.FLOOD, "a million items"),
        (Play.BOMB, "194 kB that inflate to 200 MB"),
        (Play.TRUNCATED, "JSON that ends early"),
        (Play.NO_JSON, "no JSON at all"),
    ):
        yield row(f"garbage-{play}", failure, play, INVALID)
    offered_nothing = frozenset({Reason.EMPTY_MODEL_ANSWER})
    yield row("garbage-foreign-ids", "items that do not exist", Play.FOREIGN_IDS, offered_nothing, stop=Stop.NEVER)
    yield row("garbage-empty", "an empty list", Play.EMPTY, offered_nothing, stop=Stop.NEVER)
    yield row("garbage-huge-scores", "scores of 1e308, which is finite", Play.HUGE_SCORES, frozenset(),
              share=ModelShare.ALL, stop=Stop.NEVER)  # fmt: skip


def _postgres() -> Iterator[Row]:
    def row(name: str, failure: str, inject: Injection) -> Row:
        return Row(f"postgres-{name}", Component.POSTGRES, failure, inject, reasons=UNREAD)

    yield row("stopped", "`pg_ctl stop -m immediate`", postgres_faults.stopped)
    yield row("frozen", "SIGSTOP of all its processes", postgres_faults.frozen)
    yield row("refused", "nobody listens", on_link(POSTGRES, LinkFault(refuse=True)))
    yield row("black-hole", "black hole, new connections and old ones", on_link(POSTGRES, LinkFault(black_hole=True)))
    yield row("slow", "every reply 300 ms late", on_link(POSTGRES, LinkFault(delay_ms=300, jitter_ms=50)))
    yield row("corrupt", "1 of 200 bytes of its replies is wrong", on_link(POSTGRES, LinkFault(corrupt_share=0.005)))
    yield row("read-only", "every transaction is read-only", postgres_faults.read_only)
    yield row("no-connections", "all connections are taken", postgres_faults.without_connections)
    yield row("locked", "LOCK TABLE on what the gateway reads and writes", postgres_faults.locked)
    yield row("full", "no room on the disk of the events", postgres_faults.full)
    yield row("schema", "the table of events has another name", postgres_faults.another_schema)


def _snapshot() -> Iterator[Row]:
    def row(name: str, failure: str, inject: Injection) -> Row:
        return Row(f"snapshot-{name}", Component.SNAPSHOT, failure, inject)

    damages: tuple[tuple[str, str, Callable[..., None]], ...] = (
        ("missing", "the announced one is not there", snapshot_faults.missing),
        ("truncated", "its second half is gone", snapshot_faults.truncated),
        ("bit-flip", "one bit is wrong", snapshot_faults.bit_flipped),
        ("empty", "all its files are empty", snapshot_faults.emptied),
        ("manifest", "its manifest is none", snapshot_faults.garbled),
    )
    for name, failure, damage in damages:
        yield row(name, failure, snapshot_faults.damaged(damage))
    yield row("old", "a sound one that is 400 days old", snapshot_faults.dated(-snapshot_faults.PAST))
    yield row("future", "a sound one dated a year ahead", snapshot_faults.dated(snapshot_faults.FUTURE))


def _network() -> Iterator[Row]:
    def row(name: str, failure: str, fault: LinkFault, said: frozenset[Reason]) -> Row:
        return Row(f"network-{name}", Component.NETWORK, failure, on_link(INFERENCE, fault),
                   reasons=said | LATE | OPEN, model=ModelShare.SOME)  # fmt: skip

    yield row("loss-1", "1 % of the segments lost on the way to inference", LinkFault(lost_share=0.01), LATE)
    yield row("loss-10", "10 % of the segments lost on the way to inference", LinkFault(lost_share=0.1), LATE)
    yield row("resets", "10 % of the calls to inference reset", LinkFault(share=0.1, ending=Ending.RESET, at_byte=200),
              UNAVAILABLE | INVALID)  # fmt: skip
    yield row("corrupt", "1 of 1,000 bytes from inference is wrong", LinkFault(corrupt_share=0.001),
              UNAVAILABLE | INVALID | ERROR | frozenset({Reason.EMPTY_MODEL_ANSWER, Reason.NO_MODEL}))  # fmt: skip
    yield row("bandwidth", "1 Mbit/s to inference", LinkFault(rate_bytes_per_s=MEGABIT_BYTES_PER_S), LATE)


def _gateway() -> Iterator[Row]:
    def row(name: str, failure: str, inject: Injection, **more: object) -> Row:
        return Row(f"gateway-{name}", Component.GATEWAY, failure, inject, **more)  # type: ignore[arg-type]  # as above

    two = {"setup": gateway_faults.two_gateways, "two_gateways": True, "reasons": UNREAD}
    yield row("killed", "`kill -9` of one of two; callers of it ask the other", process_faults.killed(GATEWAY), **two)
    yield row("frozen", "SIGSTOP of one of two; its callers ask the other after 75 ms", process_faults.frozen(GATEWAY),
              retry_after_ms=75.0, **two)  # fmt: skip
    yield row("rolling-restart", "SIGTERM and start of one after the other", gateway_faults.rolling_restart, **two)
    yield row("bad-settings", "another one is started with impossible settings", gateway_faults.badly_configured)
    yield row("lag", "its event loop stands still for 200 ms of every second",
              process_faults.standing_still(GATEWAY, every_s=1.0, for_s=0.2),
              reasons=UNREAD, model=ModelShare.SOME,
              late_excused="a process that stands still answers nobody")  # fmt: skip
    yield row("half-cpu", "half of one core", gateway_faults.half_a_cpu, reasons=UNREAD, model=ModelShare.SOME,
              late_excused="a process that is held for 50 ms answers nobody meanwhile")  # fmt: skip


def _around() -> Iterator[Row]:
    yield Row("clients-slow-heads", Component.CLIENTS, "200 clients send a head at two bytes a second",
              gateway_faults.slow_writers(count=200))  # fmt: skip
    yield Row("clients-slow-readers", Component.CLIENTS, "100 clients read answers at two bytes a second",
              gateway_faults.slow_readers("/openapi.json", count=100))  # fmt: skip
    yield Row("clients-idle", Component.CLIENTS, "one client with 5,000 idle connections",
              gateway_faults.idle_connections(count=5_000))  # fmt: skip
    yield Row("spool-disk-full", Component.SPOOL, "no room on the spool's disk", gateway_faults.disk_full,
              setup=gateway_faults.on_small_disk, events_may_fail=True, reasons=UNREAD)  # fmt: skip
    yield Row("monitoring-log-blocked", Component.MONITORING, "the log's pipe is full, and inference dies",
              both(gateway_faults.log_pipe_blocked, process_faults.killed(INFERENCE)),
              setup=gateway_faults.log_in_a_pipe,
              reasons=UNAVAILABLE | OPEN | UNREAD, model=ModelShare.NONE, stop=Stop.DEAD)  # fmt: skip
    yield Row("monitoring-slow-scraper", Component.MONITORING, "20 scrapers read at two bytes a second",
              gateway_faults.slow_readers("/metrics", count=20))  # fmt: skip
