"""Manifests: what a version in the registry consists of, where it came from, and how to serve it."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from evershelf.contracts.events import EventType

MANIFEST_NAME = "manifest.json"
MODEL_NAME = "model.safetensors"
ITEMS_NAME = "items.json"
SNAPSHOT_NAME = "snapshot.safetensors"


class ArtifactFile(BaseModel):
    """One file of a version. A file whose size or hash differs is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
    size_bytes: Annotated[int, Field(ge=0)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Signature(BaseModel):
    """Who vouches for a manifest: the short name of an Ed25519 key, and its signature over the rest (hex)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key_id: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
    value: Annotated[str, Field(pattern=r"^[0-9a-f]{128}$")]


class DataWindow(BaseModel):
    """The events a version was made from: `since` <= occurred_at < `until`."""

    model_config = ConfigDict(frozen=True)

    since: datetime
    until: datetime
    events: int
    users: int
    items: int
    sha256: str


class DataProfile(BaseModel):
    """What the data of a version looked like, in few figures: the next version's data are held against them.

    Shares add up to 1. Items and users are told by how busy they are among their kind, never by id.
    """

    model_config = ConfigDict(frozen=True)

    events_a_day: float
    event_types: dict[str, float]
    items: dict[str, float]
    users: dict[str, float]


class GateCheck(BaseModel):
    """One line of the promotion gate's checklist."""

    model_config = ConfigDict(frozen=True)

    name: str
    passed: bool
    detail: str


class ServingComponent(BaseModel):
    """One item-item matrix of a model: tensors `<name>.indptr|indices|weights`, rows are history items.

    An interaction counts weight * 0.5**(rank / half_life_events) * 0.5**(age_days / half_life_days); a half-life of
    None leaves that factor out. Ages count back from the newest interaction of the history, so that one who returns
    after a year is still known.
    """

    model_config = ConfigDict(frozen=True, protected_namespaces=())

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
    weight: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    half_life_events: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    half_life_days: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None


class ConfidenceBucket(BaseModel):
    """Histories with at least `evidence_items` known items: how often 20 items held one that came next, and NDCG@20."""

    model_config = ConfigDict(frozen=True)

    evidence_items: Annotated[int, Field(ge=0)]
    users: Annotated[int, Field(ge=0)]
    hit_rate: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
    ndcg: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
    popularity_ndcg: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class ServingConfig(BaseModel):
    """How to turn a history into scores: see models.recommender for the formula."""

    model_config = ConfigDict(frozen=True)

    components: Annotated[tuple[ServingComponent, ...], Field(min_length=1, max_length=8)]
    event_weights: dict[EventType, Annotated[float, Field(ge=0, allow_inf_nan=False)]]
    # What popularity adds to every score (tensor `prior`), and whether sums are multiplied by the tensor `trend`.
    prior_weight: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    trend: bool = False
    # Fewer known history items than this, or a smaller share of the scores from the history, and the model says that it
    # is not confident.
    evidence_items_min: Annotated[int, Field(ge=1)] = 1
    personal_share_min: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = 0.0
    # What was seen on the tuning window, the thinnest evidence first; the last bucket has no upper end.
    confidence: tuple[ConfidenceBucket, ...] = ()


class ModelManifest(BaseModel):
    """A model version: immutable, hashed, reproducible from what stands here."""

    model_config = ConfigDict(frozen=True, protected_namespaces=())

    format: Literal[1] = 1
    kind: Literal["model"] = "model"
    version: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{0,63}$")]
    created_at: datetime
    code_version: str
    seed: int
    algorithm: str
    parameters: dict[str, float | int | str | bool | None]
    data: DataWindow
    items: int
    serving: ServingConfig
    metrics: dict[str, float]
    gate: tuple[GateCheck, ...]
    profile: DataProfile | None = None
    files: tuple[ArtifactFile, ...]
    signature: Signature | None = None


class SnapshotManifest(BaseModel):
    """A snapshot version: the whole of what the baseline needs, as of one change sequence of the catalog."""

    model_config = ConfigDict(frozen=True)

    format: Literal[1] = 1
    kind: Literal["snapshot"] = "snapshot"
    version: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{0,63}$")]
    created_at: datetime
    code_version: str
    items: int
    catalog_sequence: int
    files: tuple[ArtifactFile, ...]
    signature: Signature | None = None


class RolloutStage(BaseModel):
    """A share of the users, for at least so long."""

    model_config = ConfigDict(frozen=True)

    share: Annotated[float, Field(gt=0, le=1)]
    seconds: Annotated[float, Field(gt=0)]


class RolloutPlan(BaseModel):
    """How a challenger is tried: a share of requests is copied to it; without stages, that is all (shadow)."""

    model_config = ConfigDict(frozen=True)

    shadow_share: Annotated[float, Field(ge=0, le=1)] = 0.1
    stages: Annotated[tuple[RolloutStage, ...], Field(max_length=16)] = ()
    # Whether the challenger becomes champion when the last stage is over.
    promote: bool = True


CANARY_STAGES = tuple(
    RolloutStage(share=share, seconds=minutes * 60) for share, minutes in ((0.01, 10), (0.05, 20), (0.25, 30), (1, 30))
)


class AliasPointer(BaseModel):
    """Where an alias points. `sequence` counts its moves; a move must name the sequence it replaces."""

    model_config = ConfigDict(frozen=True)

    version: str
    sequence: int
    moved_at: datetime
    moved_by: str
    reason: str
    # Only of the challenger; releases that do not know it serve the version all the same.
    plan: RolloutPlan | None = None
