"""The trial of a challenger in this gateway: who is sent to it, what is copied to it, and when it is taken away."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

import structlog
from pydantic import JsonValue

from evershelf.contracts.manifest import AliasPointer, RolloutPlan
from evershelf.contracts.recommendations import Reason
from evershelf.gateway.database import DatabaseLink
from evershelf.gateway.model_desk import ModelDesk, RegistryUnavailable
from evershelf.gateway.outside import Outside
from evershelf.gateway.reign import Reign
from evershelf.gateway.settings import GatewaySettings
from evershelf.gateway.shelf import Shelf
from evershelf.gateway.telemetry import Telemetry
from evershelf.policy.assignment import belongs
from evershelf.policy.compose import ModelReply
from evershelf.policy.rollout import Arm, CallKind, Evidence, Stage, broken, faded, seen, stage_at
from evershelf.registry.aliases import CHALLENGER, CHAMPION, AliasConflict
from evershelf.registry.artifact import ArtifactRefused
from evershelf.registry.store import Registry, promote, withdraw
from evershelf.storage.attribution import clicks_by_version
from evershelf.storage.audit import record_deed
from evershelf.storage.errors import StorageError

# A copy may take this long; nobody waits for it. So many at once, and no more.
SHADOW_BUDGET_MS = 500.0
SHADOWS_MAX = 8
COMPARED_ITEMS = 10
CLICKS_EVERY_S = 30.0
# So often what is judged fades, as far as it may: a turn for the worse shows within 30 s (G21).
FADE_EVERY_S = 10.0
MOVED_BY = "gateway"
HOLDOUT_SALT = "holdout"

# How an outcome counts; what is not here says nothing about the model (no answer was asked for, or inference is away).
KINDS: Mapping[Reason, CallKind] = {
    Reason.PERSONALIZED: CallKind.ANSWERED,
    Reason.CONTEXTUAL: CallKind.ANSWERED,
    Reason.DEADLINE_EXCEEDED: CallKind.TIME_OUT,
    Reason.INFERENCE_INVALID: CallKind.INVALID,
    Reason.INFERENCE_ERROR: CallKind.INVALID,
}


class Asking(Protocol):
    """Asks inference the same question again, of any model."""

    def __call__(self, *, remaining_ms: float, model: str | None, spare: bool) -> Awaitable[ModelReply]: ...


log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Trial:
    """A challenger that is being tried, by the move of the alias that began it."""

    pointer: AliasPointer
    plan: RolloutPlan
    stages: tuple[Stage, ...]


class Rollout:
    """Follows the alias `challenger`; every gateway decides alike, and each judges by what it sees itself."""

    def __init__(
        self,
        settings: GatewaySettings,
        models: ModelDesk,
        database: DatabaseLink,
        telemetry: Telemetry,
        *,
        outside: Outside,
    ) -> None:
        self._settings = settings
        self._models = models
        self._database = database
        self._telemetry = telemetry
        self._clock, self._random = outside.clock, outside.random
        self._following: asyncio.Task[None] | None = None
        self._copies: set[asyncio.Task[None]] = set()
        self._ended: int | None = None  # the sequence of a trial that we have ended, whether or not others know yet
        self._end: tuple[str, str] | None = None
        self._clicks_at_s = 0.0
        self.trial: Trial | None = None
        self.champion: str | None = None
        self.stage: int | None = None
        self.share = 0.0
        self.evidence = Evidence()  # since the trial began
        self._recent = Evidence()  # of that, what has not faded: the guardrails judge it
        self._faded_at_s = 0.0
        self.absent = 0
        self.last_end: str | None = None
        self._reign = Reign(models, outside.clock)

    async def start(self) -> None:
        """Begins to follow, and returns at once."""
        self._following = asyncio.create_task(self._follow())

    async def close(self) -> None:
        """Stops following; copies under way are given up."""
        tasks = [*self._copies, *([self._following] if self._following else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def model_for(self, key: str | None) -> str | None:
        """The version that shall answer this user or session; None: the champion."""
        trial = self.trial
        if trial is None or self.share <= 0 or not belongs(key, self.share, salt=trial.pointer.version):
            return None
        return trial.pointer.version

    def holds_out(self, key: str | None) -> bool:
        """Whether this user or session is in the standing holdout, which gets the baseline, model or not."""
        return belongs(key, self._settings.gateway_holdout_share, salt=HOLDOUT_SALT)

    def saw(self, reply: ModelReply, shelf: Shelf, model: str | None, asking: Asking) -> None:
        """Counts an answer for the model that gave it; copies the question to the challenger now and then."""
        trial = self.trial
        if model is None:
            self._reign.saw(_kind_of(reply, shelf), reply)
        if trial is None:
            return
        self._count(reply, shelf, challenger=model is not None)
        shadowed = model is None and reply.ranking is not None and len(self._copies) < SHADOWS_MAX
        if shadowed and self._random.random() < trial.plan.shadow_share:
            copy = asyncio.create_task(self._copy(trial, reply, shelf, asking))
            self._copies.add(copy)
            copy.add_done_callback(self._copies.discard)

    async def look(self) -> None:
        """One look at the aliases, one verdict; a broken guardrail ends the trial here at once, and then everywhere."""
        try:
            champion, challenger = await self._models.ask(_aliases)
        except (RegistryUnavailable, ArtifactRefused) as error:
            # A registry that is away says nothing new, and the trial under way is judged all the same.
            log.debug("rollout_not_looked", error=str(error))
        else:
            self.champion = champion.version if champion else None
            self._adopt(champion, challenger)
            await self._watch(champion)
        trial = self.trial
        if trial is None:
            await self._finish()
            return
        await self._count_clicks(trial)
        if self.trial is not trial:  # ended, or replaced, while the clicks were counted
            return
        verdict = broken(self._recent)
        self._fade()
        elapsed_s = self._clock.unix_s() - trial.pointer.moved_at.timestamp()
        self.stage = stage_at(trial.stages, elapsed_s, self.evidence) if trial.stages else None
        if verdict is not None:
            guardrail, figures = verdict
            self._telemetry.rollout.withdrawn(guardrail)
            self._end_here("withdraw", f"guardrail {guardrail}: {figures}")
            await self._finish()
        elif self.stage is not None and self.stage >= len(trial.stages):
            self.share = trial.stages[-1].share
            if trial.plan.promote:
                self._end_here("promote", "the canary kept every guardrail")
                await self._finish()
        else:
            self.share = trial.stages[self.stage].share if self.stage is not None else 0.0

    async def _watch(self, champion: AliasPointer | None) -> None:
        """A champion that breaks a guardrail in its first minutes is rolled back."""
        try:
            undone = await self._reign.look(champion)
        except (RegistryUnavailable, ArtifactRefused) as error:
            log.debug("champion_not_looked", error=str(error))
            return
        if undone is not None:
            self.last_end = undone.reason
            self._telemetry.rollout.withdrawn(undone.guardrail)
            await self._audit("model.roll_back", undone.champion.version, calls=undone.calls)

    def _adopt(self, champion: AliasPointer | None, challenger: AliasPointer | None) -> None:
        running = (
            challenger is not None
            and challenger.plan is not None
            and champion is not None
            and challenger.version != champion.version
            and challenger.sequence != self._ended
        )
        told = challenger is None or champion is None or challenger.version == champion.version
        if told or (challenger is not None and challenger.sequence != self._ended):
            self._end = None
        if not running or challenger is None or challenger.plan is None:
            self._stop()
            return
        if self.trial is None or self.trial.pointer.sequence != challenger.sequence:
            stages = tuple(Stage(stage.share, stage.seconds) for stage in challenger.plan.stages)
            self.trial, self.share, self.stage = Trial(challenger, challenger.plan, stages), 0.0, None
            self.evidence, self._recent, self._faded_at_s = Evidence(), Evidence(), self._clock.monotonic_s()
            self.absent, self._end, self._ended = 0, None, None
            log.info("rollout_begun", version=challenger.version, stages=len(stages))

    def _stop(self) -> None:
        self.trial, self.share, self.stage = None, 0.0, None

    def _end_here(self, action: str, reason: str) -> None:
        """From this moment on nobody is sent to the challenger by this gateway, whatever becomes of the registry."""
        assert self.trial is not None
        self._ended, self._end = self.trial.pointer.sequence, (action, self.trial.pointer.version)
        self.last_end = f"{action} {self.trial.pointer.version}: {reason}"
        log.warning("rollout_ended", action=action, version=self.trial.pointer.version, reason=reason)
        self._stop()

    async def _finish(self) -> None:
        """Tells the registry, and so the other gateways, and the audit log; tried again at the next look."""
        if self._end is None or self.last_end is None:
            return
        action, version = self._end
        move, ended = promote if action == "promote" else withdraw, self._ended

        def move_it(registry: Registry) -> AliasPointer | None:
            found = registry.read_alias("models", CHALLENGER)
            if found is None or found.sequence != ended:
                raise AliasConflict(f"{version} is no longer the challenger")
            return move(registry, version, moved_by=MOVED_BY, reason=self.last_end or action)

        try:
            await self._models.ask(move_it)
        except AliasConflict:
            return  # another gateway or an operator was quicker, which the next look will see; or the lock was taken
        self._end = None
        await self._audit(f"canary.{action}", version, calls=self.evidence.challenger.calls)

    async def _audit(self, action: str, version: str, *, calls: int) -> None:
        pool, detail = self._database.pool, self.last_end
        if pool is None:
            return
        figures: dict[str, JsonValue] = {"reason": detail, "calls": calls}
        try:
            await record_deed(pool, actor=MOVED_BY, action=action, subject=version, detail=figures)
        except StorageError as error:
            log.warning("rollout_not_audited", error=str(error))

    async def _follow(self) -> None:
        while True:
            await self.look_now()
            await asyncio.sleep(self._settings.gateway_rollout_poll_s)

    async def look_now(self) -> None:
        """The same, whatever happens."""
        try:
            await self.look()
        except (RegistryUnavailable, ArtifactRefused) as error:
            log.debug(
                "rollout_not_looked", error=str(error)
            )  # a registry that is away says nothing: all stays as it is
        except Exception as error:  # noqa: BLE001 - the source boundary: no bug may end the following
            self._telemetry.caught("rollout", error)

    async def _copy(self, trial: Trial, champion: ModelReply, shelf: Shelf, asking: Asking) -> None:
        try:
            reply = await asking(remaining_ms=SHADOW_BUDGET_MS, model=trial.pointer.version, spare=True)
        except Exception as error:  # noqa: BLE001 - the source boundary: a copy may cost nothing but itself
            self._telemetry.caught("shadow", error)
            return
        if self.trial is not trial or not self._count(reply, shelf, challenger=True):
            return
        if reply.ranking is not None and champion.ranking is not None:
            common = _overlap(champion, reply)
            self._telemetry.rollout.compared(common)
            self._note(lambda now: replace(now, compared=now.compared + 1, overlap=now.overlap + common))

    def _count(self, reply: ModelReply, shelf: Shelf, *, challenger: bool) -> bool:
        """Whether the reply counted for the arm it was meant for."""
        kind, trial = _kind_of(reply, shelf), self.trial
        if kind is None or trial is None:
            return False
        if challenger and reply.model_version not in {None, trial.pointer.version}:
            self.absent += 1
            return False
        arm = CHALLENGER if challenger else CHAMPION
        self._note_of(arm, lambda now: seen(now, kind, reply.elapsed_ms))
        self._telemetry.rollout.called(arm, kind)
        return True

    async def _count_clicks(self, trial: Trial) -> None:
        """Clicks a model version since the trial began, from PostgreSQL: all gateways together."""
        now_s, pool = self._clock.monotonic_s(), self._database.pool
        if pool is None or now_s - self._clicks_at_s < CLICKS_EVERY_S:
            return
        self._clicks_at_s = now_s
        try:
            found = await clicks_by_version(pool, since=trial.pointer.moved_at)
        except StorageError:
            return
        for name, version in ((CHAMPION, self.champion), (CHALLENGER, trial.pointer.version)):
            answers, clicks = found.get(version or "", (0, 0))
            self._note_of(name, partial(replace, answers=answers, clicks=clicks))

    def _note_of(self, arm: str, change: Callable[[Arm], Arm]) -> None:
        if arm == CHALLENGER:
            self._note(lambda now: replace(now, challenger=change(now.challenger)))
        else:
            self._note(lambda now: replace(now, champion=change(now.champion)))

    def _note(self, change: Callable[[Evidence], Evidence]) -> None:
        self.evidence, self._recent = change(self.evidence), change(self._recent)

    def _fade(self) -> None:
        if (now_s := self._clock.monotonic_s()) - self._faded_at_s >= FADE_EVERY_S:
            self._recent, self._faded_at_s = faded(self._recent), now_s


def _aliases(registry: Registry) -> tuple[AliasPointer | None, AliasPointer | None]:
    return registry.read_alias("models", CHAMPION), registry.read_alias("models", CHALLENGER)


def _kind_of(reply: ModelReply, shelf: Shelf) -> CallKind | None:
    """How the reply counts; None where it says nothing about the model."""
    kind = None if reply.busy else KINDS.get(reply.outcome)
    return CallKind.EMPTY if kind is CallKind.ANSWERED and not _offers(reply, shelf) else kind


def _offers(reply: ModelReply, shelf: Shelf) -> bool:
    """Whether anything of the ranking could stand on the shelf."""
    return reply.ranking is not None and any(shelf.knows(item.item_id) for item in reply.ranking.items)


def _overlap(left: ModelReply, right: ModelReply) -> float:
    assert left.ranking is not None
    assert right.ranking is not None
    first = {item.item_id for item in left.ranking.items[:COMPARED_ITEMS]}
    second = {item.item_id for item in right.ranking.items[:COMPARED_ITEMS]}
    return len(first & second) / max(len(first), len(second), 1)
