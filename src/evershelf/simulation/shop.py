"""The shop of the simulated world: a catalog, its users' past, and snapshots built by the project's own code."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from random import Random
from uuid import UUID

import numpy as np

from evershelf.contracts.catalog import Item
from evershelf.contracts.keys import Scope, StoredKey
from evershelf.models.interactions import Interactions
from evershelf.policy.keys import KEY_PREFIX, key_digest
from evershelf.registry.aliases import CURRENT
from evershelf.registry.store import DirectoryRegistry
from evershelf.simulation.tables import Tables
from evershelf.storage.extract import ShelfItem
from evershelf.training.extract import TrainingData
from evershelf.training.shelf import collect
from evershelf.training.snapshot import build, publish

OPENING = datetime(2026, 1, 5, tzinfo=UTC)  # Unix time at the beginning of every run
CATEGORIES = ("home/mugs", "home/lamps", "garden/pots", "garden/tools")
ITEMS_A_CATEGORY = 12
USERS = 16
EVENTS_A_USER = 6
SECRET = "5a" * 32
_SECRET_PART = "simulated-secret-part"  # noqa: S105  # pragma: allowlist secret
KEY = f"{KEY_PREFIX}_shop_{_SECRET_PART}"
SNAPSHOTS = 3  # by age: one to go back to, the current one, one to come


@cache
def catalog() -> list[Item]:
    """`mugs-0` .. `tools-11`; the last of each category is not available, the one before expires during the run."""
    last = ITEMS_A_CATEGORY - 1
    return [
        Item(
            item_id=f"{path.split('/')[1]}-{number}",
            title=f"{path} {number}",
            categories=(path,),
            available=number != last,
            expires_at=OPENING + timedelta(seconds=12) if number == last - 1 else None,
        )
        for path in CATEGORIES
        for number in range(ITEMS_A_CATEGORY)
    ]


@cache
def by_id() -> dict[str, Item]:
    """The catalog's items by their id."""
    return {item.item_id: item for item in catalog()}


@cache
def lasting(category: str | None) -> list[str]:
    """Items of a category, or of all, that are available through the whole run."""
    return [
        item.item_id
        for item in catalog()
        if item.available and item.expires_at is None
        and (category is None or any(f"{path}/".startswith(f"{category}/") for path in item.categories))
    ]  # fmt: skip


@cache
def users() -> list[str]:
    """`user-0` .. ; the last four have no past."""
    return [f"user-{number}" for number in range(USERS)]


def fill(tables: Tables) -> None:
    """The database as it is when a run begins."""
    for item in catalog():
        tables.put_item(item, now=OPENING)
    digest = key_digest(bytes.fromhex(SECRET), _SECRET_PART)
    scopes = (Scope.RECOMMEND, Scope.EVENTS)
    key = StoredKey(key_id="shop", name="shop", digest=digest, scopes=scopes, created_at=OPENING)
    tables.keys.append(key.model_dump())
    for event_id, user_id, item_id, occurred_at in _past():
        tables.events[event_id] = {
            "event_id": event_id, "occurred_at": occurred_at, "user_id": user_id, "session_id": None,
            "item_id": item_id, "event_type": "view_item", "value": None, "placement": None,
            "recommendation_id": None,
        }  # fmt: skip
    tables.counters["stored"] = len(tables.events)


def write_registry(folder: Path) -> list[str]:
    """Publishes the snapshots, points `current` at the second; returns their versions, oldest first."""
    shelf = asyncio.run(collect(_shelf_items()))
    registry = DirectoryRegistry(folder)
    versions = []
    for age in range(SNAPSHOTS):
        now = OPENING - timedelta(hours=SNAPSHOTS - age)
        arrays = build(shelf, _interactions(shelf.item_ids, age), None, now_s=now.timestamp())
        versions.append(publish(registry, arrays, items=len(shelf.item_ids), sequence=len(catalog()), now=now).version)
    registry.move_alias("snapshots", CURRENT, versions[1], expected_sequence=None, moved_by="shop", reason="opening")
    return versions


def copy_registry(template: Path, folder: Path) -> None:
    """A registry of one run's own."""
    shutil.copytree(template, folder)


def past_id(number: int) -> UUID:
    """The id of an event from before the run."""
    return UUID(int=(1 << 64) + number)


def is_past(event_id: UUID) -> bool:
    """Whether the event is from before the run."""
    return event_id.int >> 64 == 1


def _past() -> list[tuple[UUID, str, str, datetime]]:
    random = Random(1)
    items = [item.item_id for item in catalog()]
    return [
        (
            past_id(number * 100 + place),
            user_id,
            random.choice(items),
            OPENING - timedelta(hours=place + 1),
        )
        for number, user_id in enumerate(users()[: USERS - 4])
        for place in range(EVENTS_A_USER)
    ]


async def _shelf_items() -> AsyncIterator[ShelfItem]:
    for item in catalog():
        yield ShelfItem(item, OPENING - timedelta(days=30))


def _interactions(item_ids: tuple[str, ...], age: int) -> TrainingData:
    index_of = {item_id: index for index, item_id in enumerate(item_ids)}
    past = _past()
    turned = [(index_of[item_id] + age) % len(item_ids) for _, _, item_id, _ in past]  # tastes change
    user_of = {user_id: number for number, user_id in enumerate(users())}
    interactions = Interactions.ordered(
        np.array([user_of[user_id] for _, user_id, _, _ in past], np.int32),
        np.array(turned, np.int32),
        np.array([occurred_at.timestamp() / 86_400 for *_, occurred_at in past]),
        np.zeros(len(past), np.int8),
        user_count=USERS,
        item_count=len(item_ids),
    )
    return TrainingData(interactions, item_ids, OPENING, 0, 0)
