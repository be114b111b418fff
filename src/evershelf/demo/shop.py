"""A believable shop from a seed: catalog, users, half a year of events and pictures, written as files.

The events are fitted to three real figures at once (docs/concepts/demo-shop.md tells how and what gives way):
distinct items bought per buying user p10/p50/p90 = 7/35/143 (Online Retail), distinct (user, item) pairs that buyers
viewed : carted : bought = 75,374 : 12,456 : 9,551 (RetailRocket), and events of all visitors
view : cart : purchase = 17,056 : 165 : 214 (REES46).
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import orjson

from evershelf.demo.browsing import Browsing
from evershelf.demo.catalog import WINDOW_DAYS, Catalog, draw_catalog
from evershelf.demo.departments import CATEGORIES
from evershelf.demo.happenings import Happenings, all_happenings
from evershelf.demo.ledger import write_events
from evershelf.demo.pictures import picture_svg
from evershelf.demo.shoppers import TRADE_FROM_ITEMS, USERS, Segment, draw_names, draw_sessions, draw_shoppers
from evershelf.demo.targets import BUYERS, Budget

# Told to `progress` in this order, each with the share of the work done before it.
STAGES = {"catalog": 0.0, "shoppers": 0.05, "browsing": 0.1, "buying": 0.5, "events": 0.65, "pictures": 0.9}
Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class ShopReport:
    """What was written: counts, the seed and the end of the window (ISO 8601); `events_by_type` sums to `events`."""

    seed: int
    until: str
    days: int
    items: int
    categories: int
    users: int
    buyers: int
    sessions: int
    events: int
    events_by_type: dict[str, int]


def generate_shop(out: Path, *, seed: int, until: datetime, progress: Progress | None = None) -> ShopReport:
    """Writes the shop into the folder `out`, made if need be: the same bytes for the same `seed` and `until`.

    Files: items.jsonl (contracts.catalog.Item), users.jsonl (User), events.parquet, pictures/<item_id>.svg, shop.json
    (the report). All events lie within WINDOW_DAYS before `until`, which needs a time zone.

    Raises:
        ValueError: `until` has no time zone, or `seed` is negative.
        OSError: a file cannot be written.
    """
    if until.tzinfo is None:
        raise ValueError("until needs a time zone")
    until = until.astimezone(UTC)
    tell = progress or (lambda _stage, _share: None)
    rng = np.random.default_rng(seed)
    budget = Budget.of_real_figures()
    (out / "pictures").mkdir(parents=True, exist_ok=True)

    tell("catalog", STAGES["catalog"])
    catalog = draw_catalog(rng, until)
    _write_lines(out / "items.jsonl", [item.model_dump(mode="json") for item in catalog.items])
    tell("shoppers", STAGES["shoppers"])
    shoppers = draw_shoppers(rng)
    names = draw_names(rng)
    # Enough sessions to meet nearly all the items that the budget wants the buyer to have seen.
    sessions = draw_sessions(rng, shoppers, until, buyer_sessions=3 + budget.viewed // 7)
    _write_lines(out / "users.jsonl", _users(budget, names))
    tell("browsing", STAGES["browsing"])
    browsing = Browsing(rng, catalog, until)
    views = browsing.walk(sessions)
    tell("buying", STAGES["buying"])
    happenings = all_happenings(rng, views, sessions, budget=budget, browsing=browsing)
    tell("events", STAGES["events"])
    counts = write_events(out / "events.parquet", happenings, names=names, catalog=catalog, rng=rng, until=until)
    tell("pictures", STAGES["pictures"])
    for item in catalog.items:
        (out / "pictures" / f"{item.item_id}.svg").write_text(picture_svg(item), encoding="utf-8")
    report = _report(catalog, happenings, counts, seed=seed, until=until)
    (out / "shop.json").write_bytes(orjson.dumps(asdict(report), option=orjson.OPT_INDENT_2) + b"\n")
    return report


def latest_until(now: datetime) -> datetime:
    """The end of the window where none is asked for: the last full hour."""
    return now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def _users(budget: Budget, names: list[str]) -> list[dict[str, object]]:
    return [
        {"user_id": name, "attributes": {"segment": _segment(budget, number)}}
        for name, number in sorted(zip(names, range(USERS), strict=True))
    ]


def _segment(budget: Budget, number: int) -> Segment:
    if number >= BUYERS:
        return Segment.VISITOR
    return Segment.TRADE if budget.bought[number] >= TRADE_FROM_ITEMS else Segment.HOUSEHOLD


def _write_lines(path: Path, rows: list[dict[str, object]]) -> None:
    path.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))


def _report(
    catalog: Catalog, happenings: Happenings, counts: dict[str, int], *, seed: int, until: datetime
) -> ShopReport:
    return ShopReport(
        seed=seed,
        until=until.isoformat(),
        days=WINDOW_DAYS,
        items=len(catalog.items),
        categories=len(CATEGORIES),
        users=USERS,
        buyers=BUYERS,
        sessions=int(np.unique(happenings.session).size),
        events=sum(counts.values()),
        events_by_type=counts,
    )
