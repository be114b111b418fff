"""The shop that drills run on: a part of the demo shop, imported and trained by the command line as anyone would."""

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random

import asyncpg
import pyarrow.compute
import pyarrow.parquet

from evershelf.drills.judge import Catalog
from evershelf.drills.plan import BUDGET_MS, Ask

USERS = 600
COMMAND_TIMEOUT_S = 600.0
EXCLUDED = 5
_ITEM_FIELDS = "item_id title categories price currency available expires_at published_at tags"
_EVENT_FIELDS = "event_id user_id session_id item_id event_type occurred_at value"
_DONE = "shop.json"


class ShopFailedError(Exception):
    """A step of preparing the shop failed; the message ends with what it printed."""


@dataclass(frozen=True, slots=True)
class Shop:
    """What the harness knows of the shop: a key, its users with a history, and what may be shown."""

    key: str
    narrow_key: str  # may ask for recommendations and nothing else
    users: tuple[str, ...]
    catalog: Catalog

    def asks(self, count: int, *, seed: int, budget_ms: int = BUDGET_MS, strangers_share: float = 0.0) -> list[Ask]:
        """So many different requests: several lengths, some with excluded items, some from users nobody knows."""
        chance = Random(seed)  # noqa: S311 - a replayable draw is the point
        eligible = sorted(self.catalog.eligible)
        return [self._ask(chance, number, eligible, budget_ms, strangers_share) for number in range(count)]

    def _ask(self, chance: Random, number: int, eligible: list[str], budget_ms: int, strangers_share: float) -> Ask:
        is_known = chance.random() >= strangers_share
        user = self.users[number % len(self.users)] if is_known else f"stranger-{chance.getrandbits(48):012x}"
        k = chance.choice((10, 10, 10, 5, 20))
        hidden = tuple(chance.sample(eligible, EXCLUDED)) if chance.random() < 0.1 else ()
        path = f"/v1/recommendations?user_id={user}&k={k}" + "".join(f"&exclude={item}" for item in hidden)
        headers = (("Authorization", f"Bearer {self.key}"), ("X-Request-Deadline-Ms", str(budget_ms)))
        return Ask("GET", path, headers, k=k, budget_ms=budget_ms, is_known=is_known, hidden=hidden)


def prepare(folder: Path, environment: Mapping[str, str], *, seed: int) -> tuple[str, str]:
    """Makes the shop in the database and the registry of `environment`, once for a folder; returns its two keys.

    Raises ShopFailedError.
    """
    done = folder / _DONE
    run_verb(environment, "migrate")
    if done.exists():
        key, narrow_key = json.loads(done.read_text())["keys"]
        return str(key), str(narrow_key)
    shop = folder / "shop"
    run_verb(environment, "demo", "data", "--out", str(shop), "--seed", str(seed))
    _keep_some(shop / "events.parquet")
    items, events = _same_names(_ITEM_FIELDS), _same_names(_EVENT_FIELDS)
    run_verb(environment, "import", "items", str(shop / "items.jsonl"), "--map", items, "--price-unit", "minor")
    run_verb(environment, "import", "events", str(shop / "events.parquet"), "--map", events)
    run_verb(environment, "train")
    run_verb(environment, "refresh")
    keys = _make_key(environment, "recommend", "events", "catalog"), _make_key(environment, "recommend")
    done.write_text(json.dumps({"keys": keys}))
    return keys


async def look_over(url: str, keys: tuple[str, str]) -> Shop:
    """The shop as its database tells it."""
    connection = await asyncpg.connect(url)
    try:
        items = await connection.fetch("""
            SELECT item_id, available AND NOT suppressed AND NOT deleted
                   AND (expires_at IS NULL OR expires_at > now() + interval '6 hours') AS eligible
            FROM items""")
        users = await connection.fetch("""
            SELECT user_id FROM events WHERE user_id LIKE 'user-%' GROUP BY user_id
            HAVING count(*) >= 5 ORDER BY user_id""")
    finally:
        await connection.close()
    catalog = Catalog(
        known=frozenset(row["item_id"] for row in items),
        eligible=frozenset(row["item_id"] for row in items if row["eligible"]),
    )
    return Shop(*keys, tuple(row["user_id"] for row in users), catalog)


def run_verb(environment: Mapping[str, str], *arguments: str) -> dict[str, object]:
    """Runs one verb of the command line with --json and returns what it printed. Raises ShopFailedError."""
    command = [sys.executable, "-m", "evershelf.cli.main", *arguments, "--json"]
    done = subprocess.run(  # noqa: S603 - our own command line
        command, env=dict(environment), capture_output=True, check=False, timeout=COMMAND_TIMEOUT_S
    )
    if done.returncode != 0:
        raise ShopFailedError(f"evershelf {' '.join(arguments)}: {done.stderr.decode(errors='replace')[-2_000:]}")
    told: dict[str, object] = json.loads(done.stdout)
    return told


def _make_key(environment: Mapping[str, str], *scopes: str) -> str:
    options = [part for scope in scopes for part in ("--scope", scope)]
    return str(run_verb(environment, "key", "create", "drills", *options)["key"])


def _keep_some(events: Path) -> None:
    """Leaves the first USERS users' events: enough to rank by, quick to import and to train on."""
    table = pyarrow.parquet.read_table(events)
    kept = [f"user-{number:04d}" for number in range(1, USERS + 1)]
    few = table.filter(pyarrow.compute.is_in(table["user_id"], pyarrow.array(kept, table["user_id"].type)))
    pyarrow.parquet.write_table(few, events)


def _same_names(fields: str) -> str:
    return ",".join(f"{field}={field}" for field in fields.split())
