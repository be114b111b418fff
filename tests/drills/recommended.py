"""A sound answer, as its JSON, to be spoilt by tests."""

from typing import Any
from uuid import uuid4

import orjson

from evershelf.drills.answers import Answer, Mishap
from evershelf.drills.judge import Catalog
from evershelf.drills.plan import Ask

CATALOG = Catalog(
    known=frozenset(f"i{number}" for number in range(20)), eligible=frozenset(f"i{number}" for number in range(15))
)
ASK = Ask("GET", "/v1/recommendations?user_id=u&k=3", k=3, budget_ms=150, hidden=("i9",))


def item(place: int, **other: Any) -> dict[str, Any]:
    named = {"item_id": f"i{place}", "rank": place, "score": 1 / place, "source": "model", "reason": "personalized"}
    shown = {"item_id": f"i{place}", "title": "Mug"}
    return named | {"because": [], "item": shown} | other


def told(**other: Any) -> dict[str, Any]:
    attempts = [{"source": "model", "outcome": "personalized", "items": 3, "elapsed_ms": 3.0}]
    whole = {
        "recommendation_id": str(uuid4()),
        "placement": "home",
        "items": [item(place) for place in (1, 2, 3)],
        "source": "model",
        "reason": "personalized",
        "degraded": False,
        "model_version": "m1",
        "snapshot": {"version": "s1", "age_s": 1.0},
        "deadline_ms": 150,
        "elapsed_ms": 5.0,
        "attempts": attempts,
    }
    return whole | other


def fallen_back(outcome: str, **other: Any) -> dict[str, Any]:
    items = [item(place, source="related") for place in (1, 2, 3)]
    attempts = [
        {"source": "model", "outcome": outcome, "items": 0, "elapsed_ms": 1.0},
        {"source": "related", "outcome": "personalized", "items": 3, "elapsed_ms": 0.0},
    ]
    fields = {"items": items, "source": "related", "reason": outcome, "degraded": True, "model_version": None}
    return told() | fields | {"attempts": attempts} | other


def answer(body: dict[str, Any] | bytes, *, status: int = 200, due_s: float = 0.0, took_s: float = 0.02) -> Answer:
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    return Answer(due_s, due_s, due_s + took_s, 0, 0, status, Mishap.NONE, 1, raw)
