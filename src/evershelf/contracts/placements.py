"""Placements: named slots on a page, each with its own configuration."""

from enum import StrEnum
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from evershelf.contracts.identifiers import PlacementName
from evershelf.contracts.recommendations import K_MAX, Source

DEADLINE_MS_MIN = 20
DEADLINE_MS_MAX = 2_000
DEADLINE_MS_DEFAULT = 150


class SeenItems(StrEnum):
    """What becomes of items that the user already has in the history."""

    SHOW = "show"
    HIDE_PURCHASED = "hide_purchased"
    HIDE = "hide"


class Placement(BaseModel):
    """A slot's configuration. The ladder lists the rungs in order and always ends with those that cannot run dry."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: PlacementName
    ladder: Annotated[tuple[Source, ...], Field(min_length=1)] = tuple(Source)
    k: Annotated[int, Field(ge=1, le=K_MAX)] = 10
    deadline_ms: Annotated[int, Field(ge=DEADLINE_MS_MIN, le=DEADLINE_MS_MAX)] = DEADLINE_MS_DEFAULT
    seen_items: SeenItems = SeenItems.HIDE_PURCHASED

    @model_validator(mode="after")
    def _never_empty(self) -> Self:
        if len(set(self.ladder)) != len(self.ladder):
            raise ValueError("a rung stands in the ladder twice")
        if self.ladder[-1] is not Source.STATIC or Source.POPULAR not in self.ladder:
            raise ValueError("a ladder needs the rung 'popular' and ends with 'static': these keep the shelf full")
        return self


# What every installation starts with; an operator edits them or adds others.
DEFAULT_PLACEMENTS: tuple[Placement, ...] = (
    Placement(name="home"),
    Placement(name="item-page"),
    Placement(name="cart", k=6),
    Placement(name="popular", ladder=(Source.POPULAR, Source.STATIC), seen_items=SeenItems.SHOW),
    Placement(
        name="popular-in-category",
        ladder=(Source.POPULAR_IN_CATEGORY, Source.POPULAR, Source.STATIC),
        seen_items=SeenItems.SHOW,
    ),
)
