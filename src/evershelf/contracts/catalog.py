"""Items and users as they cross the API, the importer and the snapshot."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Any, TypeAlias

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, JsonValue

from evershelf.contracts.identifiers import CategoryPath, ItemId, UserId

TITLE_LENGTH_MAX = 500
URL_LENGTH_MAX = 2_000
CATEGORIES_MAX = 20
TAGS_MAX = 50
ATTRIBUTES_MAX = 50
# Lists and objects inside each other, `attributes` itself being the first. Readers of JSON give up at some 200.
ATTRIBUTES_DEPTH_MAX = 32
BULK_MAX = 1_000

# What Python can tell in UTC. PostgreSQL knows more years, and an item with one of those could never be read again.
INSTANT_MIN = datetime.min.replace(tzinfo=UTC)
INSTANT_MAX = datetime.max.replace(tzinfo=UTC)

Instant = Annotated[AwareDatetime, Field(ge=INSTANT_MIN, le=INSTANT_MAX)]
Url = Annotated[str, Field(max_length=URL_LENGTH_MAX)]
Tag = Annotated[str, Field(min_length=1, max_length=64)]


def is_too_deep(attributes: object) -> bool:
    """Whether lists and objects lie deeper in it than ATTRIBUTES_DEPTH_MAX; in a loop, for recursion ends somewhere."""
    level = _nests([attributes])
    for _ in range(ATTRIBUTES_DEPTH_MAX):
        if not level:
            return False
        level = _nests(inner for outer in level for inner in (outer.values() if isinstance(outer, dict) else outer))
    return bool(level)


def readable(stored: dict[str, Any]) -> dict[str, Any]:  # Any: fields as a database or a file holds them
    """The fields of an Item or User that may have been stored before attributes had a depth: without those too deep.

    One of them that cannot be read would keep a whole mirror or snapshot from being read.
    """
    return stored | {"attributes": {}} if is_too_deep(stored.get("attributes")) else stored


def _nests(values: Iterable[object]) -> list[dict[Any, Any] | list[Any] | tuple[Any, ...]]:  # Any: whatever is in them
    return [value for value in values if isinstance(value, dict | list | tuple)]


def _shallow(attributes: object) -> object:
    if is_too_deep(attributes):
        raise ValueError(f"lists and objects lie in each other more than {ATTRIBUTES_DEPTH_MAX} deep")
    return attributes


Attributes: TypeAlias = Annotated[
    dict[str, JsonValue],
    BeforeValidator(_shallow),  # before: pydantic's own limit of depth would say less
    Field(
        max_length=ATTRIBUTES_MAX,
        description=f"Free; lists and objects in each other at most {ATTRIBUTES_DEPTH_MAX} deep, this one counted.",
    ),
]


class Item(BaseModel):
    """A recommendable thing. `price` is in minor units (cents) of `currency`; times are UTC."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    item_id: ItemId
    title: Annotated[str, Field(max_length=TITLE_LENGTH_MAX)] = ""
    categories: Annotated[tuple[CategoryPath, ...], Field(max_length=CATEGORIES_MAX)] = ()
    price: Annotated[int, Field(ge=0, le=2**53)] | None = None
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] | None = None
    image_url: Url | None = None
    page_url: Url | None = None
    available: bool = True
    expires_at: Instant | None = None
    published_at: Instant | None = None
    tags: Annotated[tuple[Tag, ...], Field(max_length=TAGS_MAX)] = ()
    attributes: Attributes = {}


class ItemState(BaseModel):
    """An item as stored: what its owner wrote, whether an operator suppressed it, and its change sequence number."""

    model_config = ConfigDict(frozen=True)

    item: Annotated[Item, BeforeValidator(lambda given: readable(given) if isinstance(given, dict) else given)]
    suppressed: bool = False
    deleted: bool = False
    change_sequence: int
    updated_at: datetime


class User(BaseModel):
    """A user we recommend to. Only the id is needed; attributes are free."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    user_id: UserId
    attributes: Attributes = {}
