"""The simulated callers: storefronts that ask and report, on schedule, and send again what got no answer."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

import orjson

from evershelf.simulation import shop
from evershelf.simulation.gateway_process import Answer
from evershelf.simulation.tables import POISON

# Budgets by how often they are asked for; None leaves it to the placement.
BUDGETS_MS: Mapping[int | None, int] = {None: 40, 20: 4, 60: 6, 100: 20, 300: 20, 2_000: 10}
DEFAULT_BUDGET_MS = 150
PLACEMENTS = {"home": 10, "item-page": 10, "cart": 6, "popular": 10, "popular-in-category": 10}
EVENT_TYPES = ("view_item", "view_item", "add_to_cart", "purchase", "view_item_list")
REPORT_RETRIES_MAX = 40
RETRY_AFTER_S = (0.3, 1.5)
CLIENT_PATIENCE_S = 12.0


@dataclass(frozen=True, slots=True)
class Question:
    """One request for recommendations as a caller makes it; `k` is what the placement or the caller wants."""

    number: int
    sent_s: float
    body: Mapping[str, Any]
    budget_ms: int | None

    @property
    def k(self) -> int:
        """How many items are wanted."""
        return int(self.body.get("k") or PLACEMENTS[self.body["placement"]])

    @property
    def due_ms(self) -> int:
        """The budget that holds."""
        return self.budget_ms or DEFAULT_BUDGET_MS

    @property
    def wants_model(self) -> bool:
        """Whether the placement asks the model."""
        return not self.body["placement"].startswith("popular")


@dataclass(frozen=True, slots=True)
class Report:
    """One event as a caller reports it."""

    event_id: UUID
    body: Mapping[str, Any]

    @property
    def is_interaction(self) -> bool:
        """Whether it becomes history."""
        return bool(self.body["event_type"] != "view_item_list")


@dataclass(eq=False)
class Imagination:
    """Makes up what callers want; the same seed makes up the same."""

    random: Random
    numbers: int = 0
    sent: list[Report] = field(default_factory=list)

    def question(self, now_s: float) -> Question:
        """Somebody wants recommendations."""
        random = self.random
        self.numbers += 1
        body: dict[str, Any] = {"placement": random.choice(list(PLACEMENTS))}
        if random.random() < 0.85:
            body["user_id"] = random.choice(shop.users())
        if random.random() < 0.2:
            body["session_id"] = f"session-{random.randrange(8)}"
        if body["placement"] in {"item-page", "cart"} and random.random() < 0.8:
            body["context_items"] = random.sample(_items(), k=random.choice((1, 1, 3)))
        if body["placement"] == "popular-in-category" or random.random() < 0.1:
            body["category"] = random.choice((*shop.CATEGORIES, "home", "garden"))
        if random.random() < 0.3:
            body["k"] = random.choice((1, 5, 20, 40))
        if random.random() < 0.1:
            body["exclude"] = random.sample(_items(), k=5)
        budget_ms = random.choices(list(BUDGETS_MS), weights=list(BUDGETS_MS.values()))[0]
        return Question(self.numbers, now_s, body, budget_ms)

    def reports(self, unix_s: float, *, poison: bool) -> list[Report]:
        """A batch: mostly new events, now and then one sent before, or another one under an id that was used."""
        batch = [self._fresh(unix_s) for _ in range(self.random.choice((1, 1, 2, 5)))]
        if self.sent and self.random.random() < 0.1:
            batch.append(self.random.choice(self.sent))
        if self.sent and self.random.random() < 0.05:
            before = self.random.choice(self.sent)
            batch.append(Report(before.event_id, {**before.body, "item_id": self.random.choice(_items())}))
        if poison:
            fresh = self._fresh(unix_s)
            batch.append(Report(fresh.event_id, {**fresh.body, "item_id": f"{POISON}-{self.numbers}"}))
        self.sent += batch
        return batch

    def _fresh(self, unix_s: float) -> Report:
        random = self.random
        event_id = UUID(int=random.getrandbits(128), version=4)
        occurred_at = datetime.fromtimestamp(unix_s, UTC) - timedelta(seconds=random.randrange(60))
        body = {
            "event_id": str(event_id),
            "user_id": random.choice(shop.users()),
            "item_id": random.choice(_items()),
            "event_type": random.choice(EVENT_TYPES),
            "occurred_at": occurred_at.isoformat(),
        }
        if random.random() < 0.3:
            body["session_id"] = f"session-{random.randrange(8)}"
        return Report(event_id, body)


def headers(budget_ms: int | None = None) -> dict[str, str]:
    """What a caller sends along."""
    given = {"Authorization": f"Bearer {shop.KEY}", "Content-Type": "application/json", "Host": "shop"}
    return given if budget_ms is None else given | {"X-Request-Deadline-Ms": str(budget_ms)}


def encoded(body: Mapping[str, Any]) -> bytes:
    """JSON."""
    return orjson.dumps(body)


async def patiently(answer: "asyncio.Future[Answer]", patience_s: float) -> Answer | None:
    """The answer, or None once the caller has lost patience."""
    await asyncio.wait({answer}, timeout=patience_s)
    return answer.result() if answer.done() else None


def _items() -> list[str]:
    return [item.item_id for item in shop.catalog()]
