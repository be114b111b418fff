"""Model versions: what the registry has of each, and which one serves."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Annotated, TypeVar

from fastapi import APIRouter, Body, Query, Request
from pydantic import JsonValue

from evershelf.contracts.admin_operation import (
    AliasState,
    AReason,
    ModelDetail,
    ModelPage,
    ModelRow,
    Moved,
    Promotion,
)
from evershelf.contracts.manifest import AliasPointer, ModelManifest
from evershelf.contracts.problems import ProblemType
from evershelf.gateway.model_desk import TIMEOUT_S, Caller, RegistryUnavailable
from evershelf.gateway.parts import Parts, parts_of
from evershelf.gateway.problems import ProblemError
from evershelf.gateway.routes.operator import Limit, Operator, not_found, stored_if_up
from evershelf.registry.aliases import CHALLENGER, CHAMPION, PREVIOUS, AliasConflict
from evershelf.registry.artifact import ArtifactRefused
from evershelf.registry.manifests import failed_checks
from evershelf.registry.store import Registry, roll_back
from evershelf.storage.audit import record_deed

router = APIRouter()
ALIASES = (CHAMPION, CHALLENGER, PREVIOUS)
MOVES_MAX = 20
# All bytes of a version are read before it may serve.
MOVE_TIMEOUT_S = 60.0
VERSION_LENGTH_MAX = 64
T = TypeVar("T")
AVersion = Annotated[str, Query(max_length=VERSION_LENGTH_MAX)]


@router.get("/models")
async def list_models(http: Request, after: AVersion | None = None, limit: Limit = 50) -> ModelPage:
    """Model versions, newest first, with their aliases, figures and whether the gate let them through."""
    parts = parts_of(http)
    aliases, manifests, unreadable = await from_registry(parts, _catalogue)
    newest = list(reversed(manifests))
    begin = next((at for at, each in enumerate(newest, start=1) if each.version == after), 0)
    page = newest[begin : begin + limit]
    return ModelPage(
        models=[_row(each, aliases) for each in page],
        next_after=page[-1].version if begin + limit < len(newest) else None,
        aliases=aliases,
        serving=parts.series.model_version,
        unreadable=unreadable,
    )


@router.get("/models/{version}")
async def get_model(http: Request, version: str) -> ModelDetail:
    """One version: the gate's checklist, metrics, parameters, data window."""
    aliases, manifest = await from_registry(
        parts_of(http), lambda registry: (_aliases(registry), registry.manifest("models", version))
    )
    return ModelDetail(
        row=_row(manifest, aliases),
        parameters=manifest.parameters,
        data=manifest.data,
        serving=manifest.serving,
        gate=list(manifest.gate),
        code_version=manifest.code_version,
        seed=manifest.seed,
        size_bytes=sum(file.size_bytes for file in manifest.files),
    )


@router.post("/models/{version}/promote")
async def promote_model(http: Request, operator: Operator, version: str, promotion: Promotion) -> Moved:
    """Make `version` the champion, if the champion is still the one the operator saw; audited."""
    move = partial(promoted, version=version, promotion=promotion, moved_by=_mover(operator.name))
    return await _moved(parts_of(http), operator.name, "model.promote", move)


@router.post("/models/roll-back")
async def roll_back_model(http: Request, operator: Operator, reason: Annotated[AReason, Body(embed=True)]) -> Moved:
    """Make the previous champion serve again; audited."""
    move = partial(gone_back, moved_by=_mover(operator.name), reason=reason)
    return await _moved(parts_of(http), operator.name, "model.roll_back", move)


def promoted(registry: Registry, caller: Caller, *, version: str, promotion: Promotion, moved_by: str) -> AliasPointer:
    """Makes `version` the champion, after every byte of it was read. Raises AliasConflict, ArtifactRefused."""
    failed = failed_checks(registry.manifest("models", version))
    if failed and not promotion.despite_gate:
        raise AliasConflict(f"{version} failed the gate ({', '.join(failed)}); say so with despite_gate")
    registry.check("models", version)
    caller.check()
    return registry.move_alias(
        "models",
        CHAMPION,
        version,
        expected_sequence=promotion.expected_sequence,
        moved_by=moved_by,
        reason=promotion.reason,
    )


def gone_back(registry: Registry, caller: Caller, *, moved_by: str, reason: str) -> AliasPointer:
    """Makes the previous champion serve, after every byte of it was read. Raises AliasConflict, ArtifactRefused."""
    previous = registry.read_alias("models", PREVIOUS)
    if previous is not None:
        registry.check("models", previous.version)
    caller.check()
    return roll_back(registry, moved_by=moved_by, reason=reason)


async def _moved(parts: Parts, actor: str, action: str, move: Callable[[Registry, Caller], AliasPointer]) -> Moved:
    pointer, audited = await carried_out(parts, actor, action, move, timeout_s=MOVE_TIMEOUT_S)
    note = None if audited else "PostgreSQL is away: the move is on record in the registry only."
    try:
        previous = await from_registry(parts, lambda registry: registry.read_alias("models", PREVIOUS))
    except ProblemError:  # the move was made all the same
        previous, note = None, note or "Which version was champion before could not be read."
    return Moved(pointer=pointer, previous=previous, audited=audited, note=note)


async def carried_out(
    parts: Parts,
    actor: str,
    action: str,
    move: Callable[[Registry, Caller], AliasPointer],
    *,
    timeout_s: float = TIMEOUT_S,
) -> tuple[AliasPointer, bool]:
    """Moves an alias; whether the audit log tells of it, which it does too of a move that came too late for the answer.

    The registry keeps the move on record also while the audit log is out of reach. Raises ProblemError.
    """

    async def record(pointer: AliasPointer) -> bool:
        detail: dict[str, JsonValue] = {"sequence": pointer.sequence, "reason": pointer.reason}
        deed = partial(record_deed, actor=actor, action=action, subject=pointer.version, detail=detail)
        return bool(await stored_if_up(parts, deed))

    return await _told(parts.models.carry_out(move, record, timeout_s=timeout_s))


async def from_registry(parts: Parts, question: Callable[[Registry], T]) -> T:
    """What the registry answers. Raises ProblemError when it refuses, or cannot be reached."""
    return await _told(parts.models.ask(question))


async def _told(answer: Awaitable[T]) -> T:
    try:
        return await answer
    except ArtifactRefused as error:
        raise not_found(f"such model version that can be used ({error.detail})") from error
    except AliasConflict as error:
        raise ProblemError(ProblemType.CONFLICT, f"{error}.") from error
    except RegistryUnavailable as error:
        raise ProblemError(ProblemType.REGISTRY_UNAVAILABLE, f"{error}.") from error


def _catalogue(registry: Registry) -> tuple[list[AliasState], list[ModelManifest], int]:
    manifests, unreadable = [], 0
    for version in registry.versions("models"):
        try:
            manifests.append(registry.manifest("models", version))
        except ArtifactRefused:  # went between the two looks
            unreadable += 1
    return _aliases(registry), manifests, unreadable


def _aliases(registry: Registry) -> list[AliasState]:
    return [
        AliasState(
            name=name,
            pointer=registry.read_alias("models", name),
            moves=list(reversed(registry.alias_history("models", name)))[:MOVES_MAX],
        )
        for name in ALIASES
    ]


def _row(manifest: ModelManifest, aliases: list[AliasState]) -> ModelRow:
    return ModelRow(
        version=manifest.version,
        aliases=[
            each.name for each in aliases if each.pointer is not None and each.pointer.version == manifest.version
        ],
        algorithm=manifest.algorithm,
        created_at=manifest.created_at,
        items=manifest.items,
        events=manifest.data.events,
        gate_passed=not failed_checks(manifest),
        metrics=manifest.metrics,
    )


def _mover(name: str) -> str:
    return f"console:{name}"
