"""The wire between gateway and inference: histories in, ranked items with evidence out."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from evershelf.contracts.events import EventType
from evershelf.contracts.identifiers import ID_LENGTH_MAX, ItemId

HISTORY_MAX = 200
CANDIDATES_MAX = 500
BATCH_MAX = 64
EVIDENCE_MAX = 3
EXCLUDED_MAX = 1_000

# In replies only the length is held: an id of another shape is that of no item, and is left out.
RankedId = Annotated[str, Field(max_length=ID_LENGTH_MAX)]


class Interaction(BaseModel):
    """One interaction of a history. `age_s` counts back from now, so that no two clocks need to agree."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    item_id: ItemId
    event_type: EventType
    age_s: Annotated[float, Field(ge=0, allow_inf_nan=False)]


class RankQuery(BaseModel):
    """One ranking wanted: the newest interaction first, at most `k` items back, none of `exclude` among them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    history: Annotated[tuple[Interaction, ...], Field(max_length=HISTORY_MAX)]
    k: Annotated[int, Field(ge=1, le=CANDIDATES_MAX)]
    exclude: Annotated[tuple[ItemId, ...], Field(max_length=EXCLUDED_MAX)] = ()


class RankRequest(BaseModel):
    """Several queries at once; answered in the same order."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    queries: Annotated[tuple[RankQuery, ...], Field(min_length=1, max_length=BATCH_MAX)]


class Evidence(BaseModel):
    """A history item that caused a ranked item, with its share (0..1] of the positive score."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    item_id: RankedId
    share: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class RankedItem(BaseModel):
    """A ranked item: a finite score, and at most three pieces of evidence, the strongest first."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    item_id: RankedId
    score: Annotated[float, Field(allow_inf_nan=False)]
    evidence: Annotated[tuple[Evidence, ...], Field(max_length=EVIDENCE_MAX)]


class Ranking(BaseModel):
    """The answer to one query, best first. `confident` is false when the model knows too little of the history."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    items: Annotated[tuple[RankedItem, ...], Field(max_length=CANDIDATES_MAX)]
    confidence: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
    confident: bool


class RankReply(BaseModel):
    """The answer to a request: one ranking a query, all from one model version."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model_version: Annotated[str, Field(min_length=1, max_length=128)]
    rankings: tuple[Ranking, ...]
