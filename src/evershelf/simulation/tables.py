"""The tables of the simulated PostgreSQL, and what each named statement of the gateway does to them."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import orjson

from evershelf.contracts.catalog import Item

POISON = "poison"
# An item whose id begins with this is one that no column takes: it stands for every refusal of data.
_COLUMNS = (
    "event_id", "occurred_at", "user_id", "session_id", "item_id", "event_type", "value", "placement",
    "recommendation_id",
)  # fmt: skip
Row = dict[str, Any]
Undo = list[Callable[[], None]]


@dataclass(eq=False)
class Tables:
    """All that is committed, and for the moment what is about to be."""

    events: dict[UUID, Row] = field(default_factory=dict)
    counters: Counter[str] = field(default_factory=Counter)
    dead: dict[tuple[UUID | None, str], str] = field(default_factory=dict)
    decisions: dict[str, Row] = field(default_factory=dict)
    items: dict[str, Row] = field(default_factory=dict)
    keys: list[Row] = field(default_factory=list)
    changes: int = 0
    connections: int = 0

    def next_number(self) -> int:
        """A number for a connection."""
        self.connections += 1
        return self.connections

    def put_item(self, item: Item, *, now: datetime, **flags: bool) -> int:
        """Writes an item and draws its change number."""
        before = self.items.get(item.item_id, {"suppressed": False, "deleted": False})
        self.changes += 1
        self.items[item.item_id] = {
            **{name: getattr(item, name) for name in Item.model_fields},
            "suppressed": flags.get("suppressed", before["suppressed"]),
            "deleted": flags.get("deleted", before["deleted"]),
            "change_sequence": self.changes,
            "updated_at": now,
        }
        return self.changes


def store_events(tables: Tables, undo: Undo, *given: Any) -> Row:
    """events.store: what is new within the window is stored, the first in the batch winning."""
    columns, window = given[: len(_COLUMNS)], given[len(_COLUMNS)]
    sent = [dict(zip(_COLUMNS, values, strict=True)) for values in zip(*columns, strict=True)]
    if any(row["item_id"].startswith(POISON) for row in sent):
        raise asyncpg.CharacterNotInRepertoireError("invalid byte sequence for encoding")
    stored, conflicts = 0, []
    for row in sent:
        known = tables.events.get(row["event_id"])
        if known is None or abs(known["occurred_at"] - row["occurred_at"]) > window:
            _set(tables.events, row["event_id"], row, undo)
            stored += 1
        elif known != row:
            conflicts.append(row["event_id"])
    return {"stored": stored, "conflict_ids": list(dict.fromkeys(conflicts))}


def count_up(tables: Tables, undo: Undo, names: Sequence[str], moves: Sequence[int]) -> None:
    """events.count_up."""
    for name, moved in zip(names, moves, strict=True):
        _set(tables.counters, name, tables.counters[name] + moved, undo)


def bury(tables: Tables, undo: Undo, *columns: Sequence[Any]) -> int:
    """events.bury: the same event with the same reason is buried once."""
    buried = 0
    for event_id, body, reason, *_ in zip(*columns, strict=True):
        if (event_id, reason) not in tables.dead:
            _set(tables.dead, (event_id, reason), body, undo)
            buried += 1
    return buried


def store_decisions(tables: Tables, undo: Undo, rows: str) -> int:
    """decisions.store: a JSON array."""
    fresh = [row for row in orjson.loads(rows) if str(row["recommendation_id"]) not in tables.decisions]
    for row in fresh:
        _set(tables.decisions, str(row["recommendation_id"]), row, undo)
    return len(fresh)


def read_histories(tables: Tables, _: Undo, *given: Any) -> list[Row]:
    """history.read_many: a row for each user and each session, with parallel arrays, newest first."""
    user_ids, session_ids, types, limit = given
    return [_history(tables, "user_id", user_id, types, limit) for user_id in user_ids] + [
        _history(tables, "session_id", session_id, types, limit) for session_id in session_ids
    ]


def _history(tables: Tables, column: str, wanted: str, types: Sequence[str], limit: int) -> Row:
    rows = [row for row in tables.events.values() if row["event_type"] in types and row[column] == wanted]
    newest = sorted(rows, key=lambda row: (-row["occurred_at"].timestamp(), row["event_id"]))[:limit]
    return {
        "user_id": None,
        "session_id": None,
        column: wanted,
        "item_ids": [row["item_id"] for row in newest] or None,
        "event_types": [row["event_type"] for row in newest] or None,
        "occurred_at_s": [row["occurred_at"].timestamp() for row in newest] or None,
    }


def changes_since(tables: Tables, _: Undo, sequence: int, limit: int) -> list[Row]:
    """items.changes_since."""
    rows = (row for row in tables.items.values() if row["change_sequence"] > sequence)
    return sorted(rows, key=lambda row: int(row["change_sequence"]))[:limit]


def list_keys(tables: Tables, _: Undo, limit: int) -> list[Row]:
    """keys.list."""
    return tables.keys[:limit]


def nothing(*_: object) -> None:
    """A lock, or a partition: one writer and one table need neither."""


def no_rows(*_: object) -> list[Row]:
    """A table that is empty."""
    return []


def erasure_salt(*_: object) -> bytes:
    """erasures.salt: nobody is erased here."""
    return b"salt"


STATEMENTS: Mapping[str, Callable[..., Any]] = {
    "events.store": store_events,
    "events.count_up": count_up,
    "events.bury": bury,
    "events.take_turn": nothing,
    "events.ensure_partitions": nothing,
    "decisions.store": store_decisions,
    "decisions.ensure_partitions": nothing,
    "history.read_many": read_histories,
    "items.changes_since": changes_since,
    "keys.list": list_keys,
    "placements.list": no_rows,
    "erasures.since": no_rows,
    "erasures.salt": erasure_salt,
    "training_runs.last": nothing,
}


def _set(table: dict[Any, Any], key: Any, value: Any, undo: Undo) -> None:
    if key in table:
        before = table[key]
        undo.append(lambda: table.__setitem__(key, before))
    else:
        undo.append(lambda: table.pop(key, None))
    table[key] = value
