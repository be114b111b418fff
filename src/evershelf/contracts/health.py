"""Health: live, ready, and the state of each dependency."""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict


class DependencyState(StrEnum):
    """What we last saw of a dependency."""

    UP = "up"
    DOWN = "down"
    UNKNOWN = "unknown"  # not asked yet


class ReplicaHealth(BaseModel):
    """One process of a dependency that has several: its circuit, its adaptive limit, and what it has in hand."""

    model_config = ConfigDict(frozen=True)

    name: str
    state: DependencyState
    since_s: float | None
    circuit: str
    limit: int
    in_flight: int
    p50_ms: float


class Dependency(BaseModel):
    """One dependency: its state, when that was seen, and what it means for callers."""

    model_config = ConfigDict(frozen=True)

    name: str
    state: DependencyState
    since_s: float | None
    detail: str
    replicas: list[ReplicaHealth] = []


class Dependencies(BaseModel):
    """All dependencies of one process."""

    model_config = ConfigDict(frozen=True)

    dependencies: list[Dependency]


class Readiness(BaseModel):
    """Whether the process may receive traffic, and what it answers from."""

    model_config = ConfigDict(frozen=True, protected_namespaces=())

    ready: bool
    detail: str
    version: str
    snapshot_version: str | None = None
    model_version: str | None = None
