"""Drills: faults that an operator plays inside this gateway, on a share of the traffic, that end by themselves."""

import asyncio
import os
from collections import Counter, deque
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zlib import crc32

import structlog
from pydantic import TypeAdapter, ValidationError

from evershelf.contracts.admin_operation import (
    DRILL_REPORTS_MAX,
    DRILLS_ACTIVE_MAX,
    Drill,
    DrillEnd,
    DrillKind,
    DrillRequest,
    DrillTally,
)
from evershelf.contracts.admin_series import MarkKind
from evershelf.contracts.recommendations import Reason, Source
from evershelf.gateway.ask import Ask, Decided, Drilling
from evershelf.gateway.outside import Outside
from evershelf.gateway.series import Series
from evershelf.gateway.settings import GatewaySettings

FILE_NAME = "drills.json"
FILE_BYTES_MAX = 4 * 2**20
# So many answers must have been hit before the guard may end a drill.
GUARD_ANSWERS_MIN = 50
_SHARES = 2**32
_REPORTS = TypeAdapter(tuple[Drill, ...])
log = structlog.get_logger()


class TooManyDrillsError(Exception):
    """As many drills as are allowed run already."""


@dataclass(slots=True)
class _Tally:
    answers: int = 0
    valid_in_time: int = 0
    degraded: int = 0
    sources: Counter[Source] = field(default_factory=Counter)
    reasons: Counter[Reason] = field(default_factory=Counter)
    elapsed_ms_sum: float = 0.0
    elapsed_ms_max: float = 0.0

    def add(self, decided: Decided, elapsed_ms: float) -> None:
        composed = decided.composed
        self.answers += 1
        self.valid_in_time += bool(composed.candidates) and elapsed_ms <= decided.ask.deadline_ms
        self.degraded += composed.degraded
        self.sources[composed.source] += 1
        self.reasons[composed.reason] += 1
        self.elapsed_ms_sum += elapsed_ms
        self.elapsed_ms_max = max(self.elapsed_ms_max, elapsed_ms)

    def told(self) -> DrillTally:
        answers = self.answers
        return DrillTally(
            answers=answers,
            valid_in_time=self.valid_in_time,
            valid_in_time_share=self.valid_in_time / answers if answers else None,
            degraded=self.degraded,
            by_source=dict(self.sources),
            by_reason=dict(self.reasons),
            elapsed_ms_mean=round(self.elapsed_ms_sum / answers, 3) if answers else None,
            elapsed_ms_max=round(self.elapsed_ms_max, 3) if answers else None,
        )


@dataclass(slots=True)
class _Running:
    """A drill under way. `played` is what it does to a request that it hits."""

    drill_id: str
    request: DrillRequest
    actor: str
    started_at: datetime
    audited: bool
    played: Drilling
    expiry: asyncio.TimerHandle
    hit: _Tally = field(default_factory=_Tally)
    spared: _Tally = field(default_factory=_Tally)

    def told(self, ended_at: datetime | None = None, end: DrillEnd | None = None) -> Drill:
        return Drill(
            drill_id=self.drill_id,
            request=self.request,
            actor=self.actor,
            started_at=self.started_at,
            ends_at=self.started_at + timedelta(seconds=self.request.duration_s),
            ended_at=ended_at,
            end=end,
            hit=self.hit.told(),
            spared=self.spared.told(),
            audited=self.audited,
        )


class Drills:
    """The drills of one gateway process. While none runs, a request pays for looking at an empty `active`."""

    def __init__(self, settings: GatewaySettings, series: Series, outside: Outside) -> None:
        self._outside = outside
        self._path = settings.gateway_data_dir / FILE_NAME
        self._series = series
        self._writing: asyncio.Task[None] | None = None
        self._unwritten = False
        self.active: dict[str, _Running] = {}
        self.reports: deque[Drill] = deque(maxlen=DRILL_REPORTS_MAX)  # newest first

    async def start(self) -> None:
        """Takes up the reports of earlier drills; no drill survives a restart."""
        self.reports.extend(await asyncio.to_thread(_read, self._path))

    async def close(self) -> None:
        """Ends what runs and keeps its report."""
        for drill_id in list(self.active):
            self.stop(drill_id, DrillEnd.CLOSED)
        if self._writing is not None:
            await self._writing

    @property
    def full(self) -> bool:
        """Whether as many drills run as may."""
        return len(self.active) >= DRILLS_ACTIVE_MAX

    def begin(self, request: DrillRequest, *, actor: str, audited: bool) -> Drill:
        """Starts a drill, which ends by itself. Raises TooManyDrillsError."""
        if self.full:
            raise TooManyDrillsError(f"{DRILLS_ACTIVE_MAX} drills run already")
        drill_id = self._outside.new_id().hex[:12]
        loop = asyncio.get_running_loop()
        running = _Running(
            drill_id=drill_id,
            request=request,
            actor=actor,
            started_at=self._now(),
            audited=audited,
            played=_played(drill_id, request),
            expiry=loop.call_later(request.duration_s, self.stop, drill_id, DrillEnd.EXPIRED),
        )
        self.active[drill_id] = running
        self._series.mark(MarkKind.DRILL_STARTED, f"{request.kind} for {request.share:.0%}")
        log.info("drill_started", drill_id=drill_id, kind=request.kind, share=request.share)
        return running.told()

    def stop(self, drill_id: str, end: DrillEnd) -> Drill | None:
        """Ends a drill and keeps its report; None where none of that id runs."""
        running = self.active.pop(drill_id, None)
        if running is None:
            return None
        running.expiry.cancel()
        report = running.told(self._now(), end)
        self.reports.appendleft(report)
        self._series.mark(MarkKind.DRILL_STOPPED, f"{running.request.kind}: {end}")
        log.info("drill_stopped", drill_id=drill_id, kind=running.request.kind, end=end)
        self._write_soon()
        return report

    def running(self) -> list[Drill]:
        """What runs, newest first."""
        return [running.told() for running in reversed(self.active.values())]

    def touched(self, ask: Ask) -> Ask:
        """The request as the first drill that hits it leaves it; the same request where none does."""
        hitting = next((each for each in self.active.values() if _hits(each, ask, self._outside.random.random())), None)
        if hitting is None:
            return ask
        left = tuple(rung for rung in ask.placement.ladder if rung not in hitting.request.rungs)
        placement = ask.placement.model_copy(update={"ladder": left})
        return replace(ask, placement=placement, drill=hitting.played)

    def answered(self, decided: Decided, elapsed_ms: float) -> None:
        """An answer was given while drills run; ends a drill whose answers are no longer valid and in time."""
        hit_by = decided.ask.drill.drill_id if decided.ask.drill is not None else None
        for running in list(self.active.values()):
            if running.request.placement in {None, decided.ask.placement.name}:
                tally = running.hit if running.drill_id == hit_by else running.spared
                tally.add(decided, elapsed_ms)
        if hit_by in self.active and _went_wrong(self.active[hit_by]):
            self.stop(hit_by, DrillEnd.GUARD)

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._outside.clock.unix_s(), UTC)

    def _write_soon(self) -> None:
        self._unwritten = True
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write())

    async def _write(self) -> None:
        while self._unwritten:
            self._unwritten = False
            body = _REPORTS.dump_json(tuple(self.reports))
            try:
                await asyncio.to_thread(_write_whole, self._path, body)
            except OSError as error:  # the reports are in memory all the same
                log.warning("drill_reports_not_written", error=str(error))


def _played(drill_id: str, request: DrillRequest) -> Drilling:
    return Drilling(
        drill_id=drill_id,
        history_off=request.kind is DrillKind.HISTORY_OFF,
        inference_off=request.kind is DrillKind.INFERENCE_OFF,
        inference_delay_ms=request.delay_ms or 0,
    )


def _hits(running: _Running, ask: Ask, chance: float) -> bool:
    """Whoever is hit is hit for the whole drill; a visitor without any id, by the chance of the moment."""
    if running.request.placement not in {None, ask.placement.name}:
        return False
    who = ask.request.user_id or ask.request.session_id
    drawn = chance if who is None else crc32(f"{running.drill_id}{who}".encode()) / _SHARES
    return drawn < running.request.share


def _went_wrong(running: _Running) -> bool:
    hit = running.hit
    return hit.answers >= GUARD_ANSWERS_MIN and hit.valid_in_time < running.request.valid_share_min * hit.answers


def _read(path: Path) -> tuple[Drill, ...]:
    try:
        with path.open("rb") as file:
            return _REPORTS.validate_json(file.read(FILE_BYTES_MAX))[:DRILL_REPORTS_MAX]
    except FileNotFoundError:
        return ()
    except (OSError, ValidationError) as error:
        log.warning("drill_reports_not_read", error=type(error).__name__)
        return ()


def _write_whole(path: Path, body: bytes) -> None:
    draft = path.with_name(f".{path.name}.draft")
    with draft.open("wb") as file:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
