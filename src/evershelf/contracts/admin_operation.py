"""Models, drills, keys, settings and the audit log, as an operator reads and changes them."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

from evershelf.contracts.admin_series import DependencyDetail
from evershelf.contracts.identifiers import PlacementName
from evershelf.contracts.keys import KEY_OVERLAP_S, KEY_OVERLAP_S_MAX, Scope
from evershelf.contracts.manifest import AliasPointer, DataWindow, GateCheck, ServingConfig
from evershelf.contracts.recommendations import Reason, Source

REASON_LENGTH_MAX = 500
KEY_NAME_LENGTH_MAX = 100
KEY_QUOTA_PER_S_MAX = 1_000_000
DRILL_DURATION_S_MAX = 3_600
DRILL_DELAY_MS_MAX = 5_000
DRILLS_ACTIVE_MAX = 4
DRILL_REPORTS_MAX = 100

AReason = Annotated[str, Field(min_length=1, max_length=REASON_LENGTH_MAX)]


class _Told(BaseModel):
    model_config = ConfigDict(frozen=True, protected_namespaces=())


class _Asked(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class ModelRow(_Told):
    """A model version in the list, with the aliases that name it."""

    version: str
    aliases: list[str]
    algorithm: str
    created_at: datetime
    items: int
    events: int
    gate_passed: bool
    metrics: dict[str, float]


class AliasState(_Told):
    """An alias: where it points, and its newest moves, newest first."""

    name: str
    pointer: AliasPointer | None
    moves: list[AliasPointer]


class ModelPage(_Told):
    """Model versions, newest first. `serving` is the version that gave the last model answer here."""

    models: list[ModelRow]
    next_after: str | None
    aliases: list[AliasState]
    serving: str | None
    unreadable: int  # versions whose manifest is not sound; they cannot serve


class ModelDetail(_Told):
    """One model version with the gate's checklist."""

    row: ModelRow
    parameters: dict[str, float | int | str | bool | None]
    data: DataWindow
    serving: ServingConfig
    gate: list[GateCheck]
    code_version: str
    seed: int
    size_bytes: int


class Promotion(_Asked):
    """Moves `champion`, if it still is at `expected_sequence`, as when the operator decided (None: there was none)."""

    reason: AReason
    expected_sequence: int | None
    despite_gate: bool = False  # also a version that failed the gate


class Moved(_Told):
    """What a promotion or rollback did; `audited` tells whether the audit log has it besides the registry's history."""

    pointer: AliasPointer
    previous: AliasPointer | None
    audited: bool
    note: str | None


class DrillKind(StrEnum):
    """Which fault is played, always at the boundary to the source, inside this gateway."""

    INFERENCE_OFF = "inference_off"  # as if inference refused the connection
    INFERENCE_DELAYED = "inference_delayed"  # inference is asked `delay_ms` later
    HISTORY_OFF = "history_off"  # as if the history could not be read
    RUNGS_OFF = "rungs_off"  # the ladder goes on without `rungs`


class DrillRequest(_Asked):
    """A fault for a share of the requests, for a time. Whoever is hit is hit for the whole drill."""

    kind: DrillKind
    share: Annotated[float, Field(gt=0, le=1)] = 0.1
    placement: PlacementName | None = None  # None: all
    duration_s: Annotated[int, Field(ge=1, le=DRILL_DURATION_S_MAX)] = 60
    delay_ms: Annotated[int, Field(ge=1, le=DRILL_DELAY_MS_MAX)] | None = None
    rungs: Annotated[tuple[Source, ...], Field(max_length=len(Source))] = ()
    # The drill ends by itself when fewer of the answers that it hits are valid and in time.
    valid_share_min: Annotated[float, Field(ge=0, le=1)] = 0.9
    reason: Annotated[str, Field(max_length=REASON_LENGTH_MAX)] = ""

    @model_validator(mode="after")
    def _fits_its_kind(self) -> Self:
        if (self.kind is DrillKind.INFERENCE_DELAYED) != (self.delay_ms is not None):
            raise ValueError("delay_ms belongs to inference_delayed, which needs it")
        if (self.kind is DrillKind.RUNGS_OFF) != bool(self.rungs):
            raise ValueError("rungs belong to rungs_off, which needs at least one")
        if Source.STATIC in self.rungs:
            raise ValueError("the rung 'static' keeps the shelf full and stays")
        return self


class DrillEnd(StrEnum):
    """Why a drill ended."""

    EXPIRED = "expired"
    STOPPED = "stopped"  # by an operator
    GUARD = "guard"  # too few answers were valid and in time
    CLOSED = "closed"  # the gateway stopped


class DrillTally(_Told):
    """Answers during a drill: those it hit, or those it did not."""

    answers: int
    valid_in_time: int
    valid_in_time_share: float | None
    degraded: int
    by_source: dict[Source, int]
    by_reason: dict[Reason, int]
    elapsed_ms_mean: float | None
    elapsed_ms_max: float | None


class Drill(_Told):
    """A drill that runs or ran on this gateway, and what happened meanwhile."""

    drill_id: str
    request: DrillRequest
    actor: str
    started_at: datetime
    ends_at: datetime
    ended_at: datetime | None
    end: DrillEnd | None
    hit: DrillTally
    spared: DrillTally
    audited: bool


class Drills(_Told):
    """What runs now, and reports of what ran, newest first; kept on the gateway's disk."""

    active: list[Drill]
    reports: list[Drill]
    note: str | None


class AuditRow(_Told):
    """Who did what to which subject."""

    audit_id: int
    at: datetime
    actor: str
    action: str
    subject: str
    detail: dict[str, JsonValue]


class AuditPage(_Told):
    """Newest first; `next_before` continues."""

    entries: list[AuditRow]
    next_before: int | None


class KeyRow(_Told):
    """A key without what is secret of it."""

    key_id: str
    name: str
    scopes: list[Scope]
    created_at: datetime
    revoked_at: datetime | None  # may lie ahead: a key that was rotated holds until then
    quota_per_s: float | None  # requests a second; None: what the settings say
    own: bool  # the key that asks


class KeyPage(_Told):
    """Keys as this gateway knows them, newest first."""

    keys: list[KeyRow]
    next_after: str | None


class KeyRequest(_Asked):
    """A key to be made."""

    name: Annotated[str, Field(min_length=1, max_length=KEY_NAME_LENGTH_MAX)]
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=len(Scope))]
    quota_per_s: Annotated[float, Field(gt=0, le=KEY_QUOTA_PER_S_MAX)] | None = None  # None: what the settings say


class RotationRequest(_Asked):
    """How long a key still holds once another has taken its place."""

    overlap_s: Annotated[int, Field(ge=0, le=KEY_OVERLAP_S_MAX)] = KEY_OVERLAP_S


class NewKey(_Told):
    """The key itself, told this once and kept nowhere."""

    key: str
    row: KeyRow


class SettingRow(_Told):
    """One effective setting of this gateway; secrets are masked."""

    variable: str
    value: str
    origin: str  # environment, file or default
    secret: bool


class SettingsTold(_Told):
    """All settings of this gateway, and the version that runs."""

    version: str
    settings: list[SettingRow]


class DependenciesTold(_Told):
    """The state of every dependency, as last seen."""

    dependencies: list[DependencyDetail]
