"""The first minutes of a new champion: watched beside the one before it, and rolled back when it breaks a guardrail."""

from dataclasses import dataclass, field
from typing import Final

import structlog

from evershelf.contracts.manifest import AliasPointer
from evershelf.contracts.recommendations import Reason
from evershelf.gateway.model_desk import ModelDesk, RegistryUnavailable
from evershelf.gateway.outside import Clock
from evershelf.policy.compose import ModelReply
from evershelf.policy.rollout import ANSWERS_MIN, FADING_CALLS_MIN, Arm, CallKind, Guardrail, recent, seen, unfit
from evershelf.registry.aliases import BY_REFRESH, CHAMPION, AliasConflict
from evershelf.registry.artifact import ArtifactRefused
from evershelf.registry.store import Registry

WATCHED_S: Final = 900.0
# So often what was seen of it fades, as far as it may: a turn for the worse shows within 30 s (G21), and what an open
# circuit refuses for a second after a few late answers is less than the 5 % that break a guardrail.
FADE_EVERY_S: Final = 30.0
MOVED_BY: Final = "gateway"
# Inference was not asked: whether the model fails is as it was.
NOT_ASKED: Final = frozenset({Reason.OVERLOADED, Reason.BUDGET_TOO_SMALL})

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class RollBack:
    """A champion that broke a guardrail after so many calls, and the version that reigns again instead."""

    champion: AliasPointer
    former: str
    guardrail: Guardrail
    reason: str
    calls: int


@dataclass(slots=True)
class _Probation:
    """What a champion that has never reigned before does; its renewal carries on with what was seen."""

    faded_at_s: float
    arm: Arm = field(default_factory=Arm)
    calls: int = 0  # all of them, while those of the arm fade
    failing: bool = False  # the last call that told anything was late or invalid


class Reign:
    """Judges a champion by its first answers. One that reigned before is known, so nobody is rolled back twice.

    Who made it champion (training, an operator, a canary) is not asked: users suffer alike.
    """

    def __init__(self, models: ModelDesk, clock: Clock) -> None:
        self._models, self._clock = models, clock
        self._pointer: AliasPointer | None = None
        # The last champion that was found fit or is known, and what it usually does.
        self._settled: str | None = None
        self._usual = Arm()
        self._probation: _Probation | None = None
        self._doomed: RollBack | None = None

    def saw(self, kind: CallKind | None, reply: ModelReply) -> None:
        """Counts one answer of the champion; `kind` None: it says nothing about a model by itself."""
        if self._pointer is None or self._doomed or reply.model_version not in {None, self._pointer.version}:
            return  # judged already, or inference has not changed over yet
        probation = self._probation
        if probation is None:
            if kind is not None:
                self._usual = seen(recent(self._usual), kind, reply.elapsed_ms)
            return
        if reply.outcome is Reason.CIRCUIT_OPEN:
            # Its own failures opened the circuit, and keep the next ones from being seen.
            kind = CallKind.TIME_OUT if probation.failing else None
        elif not reply.busy and reply.outcome not in NOT_ASKED:
            probation.failing = kind in {CallKind.TIME_OUT, CallKind.INVALID}
        if kind is not None:
            probation.arm, probation.calls = seen(probation.arm, kind, reply.elapsed_ms), probation.calls + 1

    async def look(self, champion: AliasPointer | None) -> RollBack | None:
        """One verdict on the champion that the registry names; the roll-back, if this look made one.

        Raises:
            RegistryUnavailable, ArtifactRefused: the registry cannot tell its history now; ask again.
        """
        await self._adopt(champion)
        pointer, former, probation = self._pointer, self._settled, self._probation
        if pointer is not None and former is not None and probation is not None:
            if (verdict := unfit(self._usual, probation.arm)) is not None:
                guardrail, figures = verdict
                reason = f"roll_back {pointer.version}: guardrail {guardrail}: {figures}"
                self._doomed = RollBack(pointer, former, guardrail, reason, probation.calls)
                self._probation = None
                log.warning("champion_unfit", version=pointer.version, reason=reason)
            elif self._is_over(pointer):
                self._settle(pointer, probation)
            else:
                self._fade(probation)
        doomed = self._doomed
        if doomed is None or not await self._undo(doomed):
            return None
        self._doomed = None
        return doomed

    async def _adopt(self, champion: AliasPointer | None) -> None:
        known = self._pointer
        if champion is None or (known is not None and champion.sequence == known.sequence):
            return
        if known is None or known.version != champion.version:
            over = self._is_over(champion)
            former = None if over else await self._models.ask(lambda registry: _former(registry, champion))
            self._change(champion, former)
        self._pointer, self._doomed = champion, None
        if self._probation is None:
            self._settled = champion.version

    def _change(self, champion: AliasPointer, former: str | None) -> None:
        """Another version is champion now; `former` None: it is known."""
        if former is None:
            self._probation = None
            return
        known, probation = self._pointer, self._probation
        if known and probation and probation.arm.calls >= ANSWERS_MIN and not unfit(self._usual, probation.arm):
            self._settle(known, probation)
        if self._probation is None or champion.moved_by != BY_REFRESH:
            self._probation = _Probation(self._clock.monotonic_s())
        self._settled = self._settled or former

    def _settle(self, pointer: AliasPointer, probation: _Probation) -> None:
        self._settled, self._usual, self._probation = pointer.version, probation.arm, None

    def _fade(self, probation: _Probation) -> None:
        if (now_s := self._clock.monotonic_s()) - probation.faded_at_s >= FADE_EVERY_S:
            probation.arm, probation.faded_at_s = recent(probation.arm, calls_max=FADING_CALLS_MIN), now_s

    def _is_over(self, champion: AliasPointer) -> bool:
        return self._clock.unix_s() - champion.moved_at.timestamp() > WATCHED_S

    async def _undo(self, doomed: RollBack) -> bool:
        """Whether the former champion is back. If not: asked again at the next look, unless the alias has moved."""

        def move(registry: Registry) -> AliasPointer:
            registry.check("models", doomed.former)
            return registry.move_alias(
                "models",
                CHAMPION,
                doomed.former,
                expected_sequence=doomed.champion.sequence,
                moved_by=MOVED_BY,
                reason=doomed.reason,
            )

        try:
            await self._models.ask(move)
        except (AliasConflict, ArtifactRefused, RegistryUnavailable) as error:
            log.warning("champion_not_rolled_back", error=str(error))
            return False
        return True


def _former(registry: Registry, champion: AliasPointer) -> str | None:
    """The version before it; None if it was champion already, or is the first, which leaves nothing to go back to."""
    versions = [
        move.version for move in registry.alias_history("models", CHAMPION) if move.sequence < champion.sequence
    ]
    return None if not versions or champion.version in versions else versions[-1]
