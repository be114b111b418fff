"""The wire between the promotion gate and a model on probation: what to try, and what came of it."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from evershelf.contracts.inference import RankQuery

QUERIES_MAX = 2_000
VIOLATIONS_MAX = 5


class ProbationOrder(BaseModel):
    """Load the version in `folder` inside these bounds, and answer the queries."""

    model_config = ConfigDict(frozen=True, protected_namespaces=())

    folder: str
    # Public keys (hex) of which one must have signed the manifest; none: it need not be signed.
    public_keys: tuple[str, ...] = ()
    model_bytes_max: Annotated[int, Field(ge=1)]
    memory_bytes_max: Annotated[int, Field(ge=1)]
    queries: Annotated[tuple[RankQuery, ...], Field(max_length=QUERIES_MAX)]


class ProbationReport(BaseModel):
    """What the model did. `refusal`: why it was not loaded (a registry.artifact.Refusal, or `memory`), if so."""

    model_config = ConfigDict(frozen=True)

    refusal: str | None = None
    detail: str = ""
    # Answers that break the contract of ranking, the first few.
    violations: tuple[str, ...] = ()
    # One list of item ids a query, best first.
    lists: tuple[tuple[str, ...], ...] = ()
    # CPU time of each query, and the most memory that loading and answering took beyond an empty process.
    cpu_ms: tuple[float, ...] = ()
    memory_bytes: int = 0
