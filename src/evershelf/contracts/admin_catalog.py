"""Items, users and placements as the console sees them, and the catalog as a shop page shows it."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from evershelf.contracts.admin_decisions import DecisionRow, HistoryItem
from evershelf.contracts.catalog import Item
from evershelf.contracts.identifiers import CategoryPath, ItemId, SessionId, UserId
from evershelf.contracts.placements import Placement
from evershelf.contracts.recommendations import CONTEXT_ITEMS_MAX, K_MAX, Attempt, Reason, RecommendedItem, Source

CATALOG_PAGE_MAX = 100
QUERY_LENGTH_MAX = 100
NEIGHBOURS_MAX = 50


class _Told(BaseModel):
    model_config = ConfigDict(frozen=True, protected_namespaces=())


class CatalogCategory(_Told):
    """A category path, how deep it lies (1: at the top), and how many items lie in or below it."""

    path: str
    name: str
    depth: int
    items: int


class CatalogCategories(_Told):
    """All categories of the snapshot, in order of path."""

    snapshot_version: str
    categories: list[CatalogCategory]


class CatalogPage(_Told):
    """Items that may be shown, the most popular first.

    `next_after` continues. `complete` is False where the search was cut short (then `next_after` goes on searching),
    or where the search words are not there yet (`note` says so).
    """

    snapshot_version: str
    items: list[Item]
    next_after: str | None
    complete: bool
    note: str | None


class CatalogItem(_Told):
    """One item as a shop page shows it."""

    snapshot_version: str
    item: Item
    available: bool  # whether it may be shown on a shelf now


class ItemStatus(_Told):
    """An item on this gateway's shelf. `why_not` tells why it may not be shown; None: it may."""

    item_id: str
    item: Item | None  # None: hidden since the snapshot, so that only PostgreSQL has its text
    eligible: bool
    suppressed: bool
    why_not: str | None
    changed_since_snapshot: bool
    popularity_rank: int | None  # 1: the most popular


class AdminItemPage(_Told):
    """Items by search, also those that may not be shown."""

    items: list[ItemStatus]
    next_after: str | None
    complete: bool
    note: str | None


class Neighbour(_Told):
    """A related item."""

    item_id: str
    score: float
    title: str | None
    eligible: bool


class ItemDetail(_Told):
    """One item, what it goes with, and who was shown it lately."""

    status: ItemStatus
    categories: list[str]
    neighbours: Annotated[list[Neighbour], Field(max_length=NEIGHBOURS_MAX)]
    neighbour_of: Annotated[list[Neighbour], Field(max_length=NEIGHBOURS_MAX)]
    shown_in: list[DecisionRow]  # the newest answers in memory that hold it
    searched_decisions: int
    note: str | None


class ItemAction(_Told):
    """Why an operator suppresses an item or lets it back."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reason: Annotated[str, Field(max_length=500)] = ""


class UserRow(_Told):
    """One user in a list."""

    user_id: str
    attributes: dict[str, JsonValue]


class UserPage(_Told):
    """Users in order of id; without PostgreSQL, those of the newest answers in memory."""

    users: list[UserRow]
    next_after: str | None
    from_database: bool
    note: str | None


class Preview(_Told):
    """What would be answered now. Recorded nowhere."""

    placement: str
    items: list[RecommendedItem]
    source: Source
    reason: Reason
    degraded: bool
    model_version: str | None
    snapshot_version: str
    deadline_ms: int
    elapsed_ms: float
    attempts: list[Attempt]


class UserDetail(_Told):
    """One user: what is stored, what was done, what was answered, and what each placement would show now."""

    user_id: str
    known: bool | None  # None: PostgreSQL is away, nobody can tell
    attributes: dict[str, JsonValue]
    history: list[HistoryItem]
    history_complete: bool  # False: only what memory holds
    decisions: list[DecisionRow]
    now: Preview
    note: str | None


class PlacementState(_Told):
    """A placement in force. `version` changes with its definition and is what an edit must name."""

    placement: Placement
    version: str
    default: bool  # as every installation starts with
    answers_last_hour: int


class PlacementEdit(_Told):
    """A new definition, and the version it replaces (None: the placement is new)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    placement: Placement
    expected_version: str | None = None


class PreviewRequest(_Told):
    """A definition that need not be stored, and whom to answer with it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    placement: Placement
    user_id: UserId | None = None
    session_id: SessionId | None = None
    context_items: Annotated[tuple[ItemId, ...], Field(max_length=CONTEXT_ITEMS_MAX)] = ()
    category: CategoryPath | None = None
    k: Annotated[int, Field(ge=1, le=K_MAX)] | None = None


class PreviewComparison(_Told):
    """What the definition would answer, beside what the placement of that name answers now (None: there is none)."""

    preview: Preview
    current: Preview | None
    asked_at: datetime
