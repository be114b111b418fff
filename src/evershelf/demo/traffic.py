"""Simulated shoppers: visits the demo shop through the public API, at a bounded rate, until told to stop."""

import http.client
import json
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from typing import Any, Protocol
from urllib.parse import urlsplit

from evershelf.demo.tastes import Tastes
from evershelf.demo.visits import Ask, Report, Shopper, Shown, Visit, somebody, visit

TIMEOUT_S = 5.0
REPLY_BYTES_MAX = 4 * 2**20
# After a failure nobody is asked for so long: shoppers must not hammer a shop that is coming up.
PAUSE_S = 1.0
# Further behind than this, the schedule begins anew: there are no bursts to catch up.
BEHIND_S_MAX = 1.0


class Shop(Protocol):
    """The public API, as far as shoppers use it. None, or False: it did not answer as it should."""

    def recommend(self, shopper: Shopper, ask: Ask) -> Shown | None: ...
    def report(self, report: Report) -> bool: ...


@dataclass(slots=True)
class _Visiting:
    shopper: Shopper
    visit: Visit
    step: Ask | Report


class Traffic:
    """At most `shoppers_max` visits at a time, at most `requests_per_s` requests, all of chance from one seed."""

    def __init__(
        self,
        shop: Shop,
        tastes: Tastes,
        *,
        requests_per_s: float,
        shoppers_max: int,
        chance: Random,
        sleep: Callable[[float], None] = time.sleep,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._shop = shop
        self._tastes = tastes
        self._users = sorted(tastes.mix)
        self._gap_s = 1 / requests_per_s
        self._shoppers_max = shoppers_max
        self._chance = chance
        self._sleep = sleep
        self._clock_s = clock_s
        self._visiting: list[_Visiting] = []
        self.counts: Counter[str] = Counter()  # visits, requests, failures

    def run(self, *, requests_max: int | None = None) -> None:
        """Sends requests for ever, or `requests_max` of them."""
        due_s = self._clock_s()
        while requests_max is None or self.counts["requests"] < requests_max:
            wait_s = due_s - self._clock_s()
            if wait_s > 0:
                self._sleep(wait_s)
            due_s = max(due_s, self._clock_s() - BEHIND_S_MAX) + self._gap_s
            if not self._take_step():
                self._sleep(PAUSE_S)

    def _take_step(self) -> bool:
        """One request of one visit; False where it failed."""
        if len(self._visiting) < self._shoppers_max:
            self._begin_visit()
        visiting = self._visiting[self._chance.randrange(len(self._visiting))]
        self.counts["requests"] += 1
        shown, well = self._carry_out(visiting)
        self.counts["failures"] += not well
        try:
            visiting.step = visiting.visit.send(shown)
        except StopIteration:
            self._visiting.remove(visiting)
        return well

    def _carry_out(self, visiting: _Visiting) -> tuple[Shown | None, bool]:
        if isinstance(visiting.step, Report):
            return None, self._shop.report(visiting.step)
        shown = self._shop.recommend(visiting.shopper, visiting.step)
        return shown, shown is not None

    def _begin_visit(self) -> None:
        shopper = somebody(self._tastes, self._users, self._chance)
        begun = visit(shopper, self._tastes, self._chance)
        self._visiting.append(_Visiting(shopper, begun, next(begun)))
        self.counts["visits"] += 1


class HttpShop:
    """The gateway at `url`, asked over one connection that is opened anew whenever it breaks."""

    def __init__(self, url: str, key: str) -> None:
        address = urlsplit(url)
        self._connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=TIMEOUT_S)
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}

    def recommend(self, shopper: Shopper, ask: Ask) -> Shown | None:
        """What the shelf is filled with, or None where the gateway did not say."""
        wanted = {"placement": ask.placement, "session_id": shopper.session_id, "context_items": ask.context_items}
        if shopper.user_id is not None:
            wanted["user_id"] = shopper.user_id
        answer = self._post("/v1/recommendations", wanted)
        if answer is None:
            return None
        item_ids = [place["item_id"] for place in answer["items"]]
        return Shown(answer["recommendation_id"], ask.placement, item_ids)

    def report(self, report: Report) -> bool:
        """Whether the events were taken."""
        now = datetime.now(UTC).isoformat()
        return (
            self._post("/v1/events", {"events": [{**each, "occurred_at": now} for each in report.events]}) is not None
        )

    def close(self) -> None:
        """Gives the connection back."""
        self._connection.close()

    def _post(self, path: str, body: Mapping[str, object]) -> dict[str, Any] | None:  # Any: the answer's JSON
        try:
            self._connection.request("POST", path, json.dumps(body), self._headers)
            reply = self._connection.getresponse()
            content = reply.read(REPLY_BYTES_MAX)
            answer: dict[str, Any] = json.loads(content)
        except (OSError, http.client.HTTPException, ValueError):
            self._connection.close()  # the next request opens it anew
            return None
        return answer if reply.status < 300 else None
