"""The operator's view of a challenger on trial, and how a trial is begun and ended."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from evershelf.contracts.admin_operation import AReason
from evershelf.contracts.manifest import CANARY_STAGES, RolloutPlan, RolloutStage


class ArmFigures(BaseModel):
    """What one model did during the trial, as this gateway saw it."""

    model_config = ConfigDict(frozen=True)

    calls: int
    invalid: int
    empty: int
    time_outs: int
    mean_ms: float
    answers: int
    clicks: int


class RolloutStatus(BaseModel):
    """The trial as this gateway sees it. `state`: idle, shadow or canary."""

    model_config = ConfigDict(frozen=True, protected_namespaces=())

    state: str
    champion: str | None
    challenger: str | None
    since: datetime | None
    begun_by: str | None
    plan: RolloutPlan | None
    stage: int | None
    # The share of users that this gateway sends to the challenger now.
    share: float
    champion_arm: ArmFigures
    challenger_arm: ArmFigures
    compared: int
    mean_overlap: float
    # Answers that the champion gave in the challenger's place: inference has not loaded it, or refused it.
    absent: int
    last_end: str | None


class RolloutStart(BaseModel):
    """Begin a trial: `stages` empty for a shadow only."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Annotated[str, Field(max_length=64)]
    shadow_share: Annotated[float, Field(ge=0, le=1)] = 0.1
    stages: Annotated[tuple[RolloutStage, ...], Field(max_length=16)] = CANARY_STAGES
    promote: bool = True
    reason: AReason


class RolloutStop(BaseModel):
    """End the trial: everybody gets the champion again."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reason: AReason


class RateTold(BaseModel):
    """A share, or a difference of shares, with its 95 % interval."""

    model_config = ConfigDict(frozen=True)

    share: float
    low: float
    high: float


class OutcomesTold(BaseModel):
    """Answers, and on how many of them something was shown, clicked, put into the cart, bought."""

    model_config = ConfigDict(frozen=True)

    answers: int
    impressions: int
    clicks: int
    carts: int
    purchases: int
    click_through: RateTold
    conversion: RateTold


class AttributionGroup(OutcomesTold):
    """The outcomes of one placement, source, reason or model version."""

    dimension: str
    name: str


class UpliftTold(BaseModel):
    """Everybody else against the holdout: differences of shares."""

    model_config = ConfigDict(frozen=True)

    treated: OutcomesTold
    held_out: OutcomesTold
    click_through: RateTold
    conversion: RateTold


class AttributionReport(BaseModel):
    """What the recommendations decided in [since, until) brought within `window_days` of each."""

    model_config = ConfigDict(frozen=True)

    since: datetime
    until: datetime
    window_days: float
    groups: list[AttributionGroup]
    uplift: UpliftTold | None
