"""Items and users as they cross the API, the importer and the snapshot."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue

from evershelf.contracts.identifiers import CategoryPath, ItemId, UserId

TITLE_LENGTH_MAX = 500
URL_LENGTH_MAX = 2_000
CATEGORIES_MAX = 20
TAGS_MAX = 50
ATTRIBUTES_MAX = 50
BULK_MAX = 1_000

# What Python can tell in UTC. PostgreSQL knows more years, and an item with one of those could never be read again.
INSTANT_MIN = datetime.min.replace(tzinfo=UTC)
INSTANT_MAX = datetime.max.replace(tzinfo=UTC)

Instant = Annotated[AwareDatetime, Field(ge=INSTANT_MIN, le=INSTANT_MAX)]
Url = Annotated[str, Field(max_length=URL_LENGTH_MAX)]
Tag = Annotated[str, Field(min_length=1, max_length=64)]


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
    attributes: Annotated[dict[str, JsonValue], Field(max_length=ATTRIBUTES_MAX)] = {}


class ItemState(BaseModel):
    """An item as stored: what its owner wrote, whether an operator suppressed it, and its change sequence number."""

    model_config = ConfigDict(frozen=True)

    item: Item
    suppressed: bool = False
    deleted: bool = False
    change_sequence: int
    updated_at: datetime


class User(BaseModel):
    """A user we recommend to. Only the id is needed; attributes are free."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    user_id: UserId
    attributes: Annotated[dict[str, JsonValue], Field(max_length=ATTRIBUTES_MAX)] = {}
