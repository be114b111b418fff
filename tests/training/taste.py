"""A small world with taste: users stay with one group of items, so that a model has something to learn."""

import uuid
from datetime import UTC, datetime, timedelta

import numpy as np

from evershelf.contracts.catalog import Item
from evershelf.contracts.events import Event, EventType
from evershelf.models.interactions import EVENT_CODES, Interactions
from evershelf.training.extract import TrainingData

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
GROUPS, ITEMS_A_GROUP = 6, 15


def events(*, users=120, per_user=25, seed=3):
    """One view or purchase after the other over 60 days, nine in ten of them inside the user's own group."""
    random = np.random.default_rng(seed)
    found = []
    for user in range(users):
        at = np.sort(random.random(per_user)) * 60
        for day in at:
            group = user % GROUPS if random.random() < 0.9 else int(random.integers(GROUPS))
            item = group * ITEMS_A_GROUP + int(ITEMS_A_GROUP * random.random() ** 1.5)
            kind = EventType.PURCHASE if random.random() < 0.2 else EventType.VIEW_ITEM
            found.append((f"u{user:03}", f"i{item:03}", float(day), kind))
    return found


def wire_events(rows):
    return [
        Event(
            event_id=uuid.uuid5(uuid.NAMESPACE_OID, str(number)),
            user_id=user,
            item_id=item,
            event_type=kind,
            occurred_at=BEGIN + timedelta(days=day),
        )
        for number, (user, item, day, kind) in enumerate(rows)
    ]


def catalog():
    return [
        Item(item_id=f"i{number:03}", title=f"Item {number}", categories=(f"shop/group{number // ITEMS_A_GROUP}",))
        for number in range(GROUPS * ITEMS_A_GROUP)
    ]


def training_data(rows):
    user_ids = sorted({row[0] for row in rows})
    item_ids = tuple(item.item_id for item in catalog())
    interactions = Interactions.ordered(
        np.array([user_ids.index(row[0]) for row in rows], np.int32),
        np.array([item_ids.index(row[1]) for row in rows], np.int32),
        np.array([BEGIN.timestamp() / 86_400 + row[2] for row in rows]),
        np.array([EVENT_CODES[row[3]] for row in rows], np.int8),
        user_count=len(user_ids),
        item_count=len(item_ids),
    )
    return TrainingData(interactions, item_ids, BEGIN + timedelta(days=61), unknown_item_events=0, late_events=0)
