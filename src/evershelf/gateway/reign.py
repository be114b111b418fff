"""The first minutes of a new champion: watched beside the one before it, and rolled back when it breaks a guardrail."""

from dataclasses import dataclass, field
from typing import Final

import structlog

from evershelf.contracts.manifest import AliasPointer
from evershelf.contracts.recommendations import Reason
from evershelf.gateway.model_desk import ModelDesk, RegistryUnavailable
from evershelf.gateway.outside import Clock
from evershelf.policy.compose import ModelReply
from evershelf.policy.rollout import Arm, CallKind, Guardrail, recent, seen, unfit
from evershelf.registry.aliases import CHAMPION, PREVIOUS, AliasConflict
from evershelf.registry.artifact import ArtifactRefused
from evershelf.registry.store import Registry

WATCHED_S: Final = 900.0
MOVED_BY: Final = "gateway"

log = structlog.get_logger()


@dataclass(slots=True)
class _Probation:
    """What a champion that has never reigned before does, beside what the one before it did."""

    former: Arm
    arm: Arm = field(default_factory=Arm)


class Reign:
    """Judges a champion by its first answers. One that reigned before is known, so nobody is rolled back twice.

    Who made it champion (training, an operator, a canary) is not asked: users suffer alike.
    """

    def __init__(self, models: ModelDesk, clock: Clock) -> None:
        self._models, self._clock = models, clock
        self._pointer: AliasPointer | None = None
        self._usual = Arm()
        self._probation: _Probation | None = None
        self._doomed: tuple[int, str] | None = None  # the move to undo, and why

    def saw(self, kind: CallKind | None, reply: ModelReply) -> None:
        """Counts one answer of the champion; `kind` None: it says nothing about a model by itself."""
        if self._pointer is None or reply.model_version not in {None, self._pointer.version}:
            return  # inference has not changed over yet
        probation = self._probation
        if probation is None:
            if kind is not None:
                self._usual = seen(recent(self._usual), kind, reply.elapsed_ms)
            return
        if kind is None and reply.outcome is Reason.CIRCUIT_OPEN and (probation.arm.time_outs or probation.arm.invalid):
            kind = CallKind.TIME_OUT  # its own failures opened the circuit, and keep the next ones from being seen
        if kind is not None:
            probation.arm = seen(probation.arm, kind, reply.elapsed_ms)

    async def look(self, champion: AliasPointer | None) -> tuple[Guardrail, str] | None:
        """One verdict on the champion that the registry names: the guardrail that it broke, and the deed as a text.

        Raises:
            RegistryUnavailable, ArtifactRefused: the registry cannot tell its history now; ask again.
        """
        await self._adopt(champion)
        probation, verdict = self._probation, None
        if probation is not None and self._pointer is not None:
            verdict = unfit(probation.former, probation.arm)
            if verdict is None:
                if self._is_over(self._pointer):
                    self._usual, self._probation = probation.arm, None
                return None
            guardrail, figures = verdict
            reason = f"roll_back {self._pointer.version}: guardrail {guardrail}: {figures}"
            self._usual, self._probation = probation.former, None
            self._doomed = self._pointer.sequence, reason
            verdict = guardrail, reason
        await self._undo()
        return verdict

    async def _adopt(self, champion: AliasPointer | None) -> None:
        known = self._pointer
        if champion is None or (known is not None and champion.sequence == known.sequence):
            return
        if known is None or known.version != champion.version:
            settled = self._is_over(champion) or await self._models.ask(lambda registry: _is_known(registry, champion))
            former = self._probation.former if self._probation else self._usual
            self._probation = None if settled else _Probation(former)
        self._pointer, self._doomed = champion, None

    def _is_over(self, champion: AliasPointer) -> bool:
        return self._clock.unix_s() - champion.moved_at.timestamp() > WATCHED_S

    async def _undo(self) -> None:
        """Rolls back, unless somebody has moved the champion meanwhile; tried again at the next look."""
        if self._doomed is None:
            return
        sequence, reason = self._doomed

        def move(registry: Registry) -> AliasPointer:
            previous = registry.read_alias("models", PREVIOUS)
            if previous is None:
                raise AliasConflict("there was no champion before")
            registry.check("models", previous.version)
            return registry.move_alias(
                "models", CHAMPION, previous.version, expected_sequence=sequence, moved_by=MOVED_BY, reason=reason
            )

        try:
            await self._models.ask(move)
        except (AliasConflict, ArtifactRefused) as error:
            log.warning("champion_not_rolled_back", error=str(error))
        except RegistryUnavailable as error:
            log.warning("champion_not_rolled_back", error=str(error))
            return
        self._doomed = None


def _is_known(registry: Registry, champion: AliasPointer) -> bool:
    """Whether it was champion already, or is the first: then there is nothing to judge it by, or to go back to."""
    moves = [move for move in registry.alias_history("models", CHAMPION) if move.sequence < champion.sequence]
    return not moves or any(move.version == champion.version for move in moves)
