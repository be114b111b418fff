"""Planted bugs: each breaks one promise at a seam of the simulated world, so that a test can see its check fire.

None of them touches the product: they sit between the gateway and its callers, its clock, its database or its disk.
"""

import asyncio
import json
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from evershelf.gateway.outside import Outside
from evershelf.simulation import tables
from evershelf.simulation.faults import Fault
from evershelf.simulation.inference import Call

ASK_PATH = "/v1/recommendations"
LATE_S = 0.3
SLOW_START_S = 5.0


@dataclass(frozen=True, slots=True)
class Plant:
    """What is put between the gateway and the world, and the fault that lets it show, where it takes one."""

    name: str = "nothing"
    guarantee: str = ""
    bug: str = ""
    fault: Fault | None = None
    app: Callable[[Any, Any], Any] = lambda app, _: app
    outside: Callable[[Outside], Outside] = lambda outside: outside
    statements: Mapping[str, Callable[..., Any]] = field(default_factory=dict)


NOTHING = Plant()


def _rewriting(rewrite: Callable[[dict[str, Any], Any], None]) -> Callable[[Any, Any], Any]:
    """An application whose recommendations are changed on their way to the caller."""

    def wrap(app: Any, world: Any) -> Any:
        async def changed(scope: Any, receive: Any, send: Any) -> None:
            async def send_changed(message: dict[str, Any]) -> None:
                if message["type"] == "http.response.body" and message.get("body", b"").startswith(b'{"recommend'):
                    told = json.loads(message["body"])
                    rewrite(told, world)
                    message = message | {"body": json.dumps(told, separators=(",", ":")).encode()}
                await send(message)

            await app(scope, receive, send_changed)

        return changed

    return wrap


def _once_in_five(rewrite: Callable[[dict[str, Any]], None]) -> Callable[[Any, Any], Any]:
    def sometimes(told: dict[str, Any], world: Any) -> None:
        if int(told["recommendation_id"][:4], 16) % 5 == 0:
            rewrite(told)
        del world

    return _rewriting(sometimes)


def _empty(told: dict[str, Any]) -> None:
    told["items"] = []


def _twice(told: dict[str, Any]) -> None:
    told["items"] = [*told["items"][:1], *told["items"][:1]]


def _untrue(told: dict[str, Any]) -> None:
    told["reason"] = told["attempts"][0]["outcome"] = "inference_invalid"
    told["degraded"] = True


def _shuffled_after_restart(told: dict[str, Any], world: Any) -> None:
    if world.buried:
        told["items"] = sorted(told["items"], key=lambda place: str(place["item_id"]))


def _old_shelf(told: dict[str, Any], world: Any) -> None:
    told["snapshot"]["version"] = world.versions[1]


def _without_baseline(told: dict[str, Any]) -> None:
    if told["source"] == "model":
        told["attempts"] = told["attempts"][:1]


def _never_rehearses(app: Any, world: Any) -> Any:
    async def resting(scope: Any, receive: Any, send: Any) -> None:
        for task in asyncio.all_tasks():
            if task.get_name() == "rehearsals":
                task.cancel()
        await app(scope, receive, send)

    del world
    return resting


def _fails_sometimes(app: Any, world: Any) -> Any:
    asked = 0

    async def failing(scope: Any, receive: Any, send: Any) -> None:
        nonlocal asked
        asked += scope.get("path") == ASK_PATH
        if scope.get("path") == ASK_PATH and asked % 7 == 0:
            await send({"type": "http.response.start", "status": 500, "headers": []})
            await send({"type": "http.response.body", "body": b"{}"})
            return
        await app(scope, receive, send)

    del world
    return failing


def _late(app: Any, world: Any) -> Any:
    async def delayed(scope: Any, receive: Any, send: Any) -> None:
        async def send_late(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                await asyncio.sleep(LATE_S)
            await send(message)

        await app(scope, receive, send_late if scope.get("path") == ASK_PATH else send)

    del world
    return delayed


def _slow_start(app: Any, world: Any) -> Any:
    async def starting(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan" and world.buried:
            await asyncio.sleep(SLOW_START_S)
        await app(scope, receive, send)

    return starting


def _acknowledging(app: Any, world: Any) -> Any:
    """Says "accepted" whatever the spool says."""

    async def lying(scope: Any, receive: Any, send: Any) -> None:
        if scope.get("path") != "/v1/events":
            await app(scope, receive, send)
            return
        body = (await receive())["body"]
        results = [{"event_id": each["event_id"], "status": "accepted"} for each in json.loads(body)["events"]]
        await send({"type": "http.response.start", "status": 202, "headers": []})
        await send({"type": "http.response.body", "body": json.dumps({"results": results}).encode()})

    del world
    return lying


def _refusing(app: Any, world: Any) -> Any:
    """Refuses events now and then, although nothing is the matter."""
    reports = 0

    async def refusing(scope: Any, receive: Any, send: Any) -> None:
        nonlocal reports
        reports += scope.get("path") == "/v1/events"
        if scope.get("path") == "/v1/events" and reports % 3 == 0:
            await send({"type": "http.response.start", "status": 503, "headers": []})
            await send({"type": "http.response.body", "body": b"{}"})
            return
        await app(scope, receive, send)

    del world
    return refusing


def _remembers_its_illness(app: Any, world: Any) -> Any:
    """Once there was a fault, answers stay away for good: a metastable state."""

    async def ill(scope: Any, receive: Any, send: Any) -> None:
        if scope.get("path") == ASK_PATH and world.weather.ended_s and world.loop.time() > 1_030:
            await asyncio.Event().wait()
        await app(scope, receive, send)

    return ill


def _never_asks_again(told: dict[str, Any], world: Any) -> None:
    """After a fault the model never comes back."""
    if world.weather.ended_s and told["source"] == "model":
        told["source"] = told["items"][0]["source"] = "popular"


def _calling(*, after_each: int, only_in_trouble: bool, budget_ms: int = 100) -> Callable[[Any, Any], Any]:
    """Calls inference behind the gateway's back, as a retry or a missing circuit breaker would."""

    def wrap(app: Any, world: Any) -> Any:
        async def calling(scope: Any, receive: Any, send: Any) -> None:
            trouble = Fault.INFERENCE_DEAD in world.weather.on
            if scope.get("path") == ASK_PATH and (trouble or not only_in_trouble):
                for _ in range(after_each):
                    world.inference.called(Call(world.loop.time(), budget_ms, probe=False, queries=1, ended="planted"))
            await app(scope, receive, send)

        return calling

    return wrap


def _counts_no_popular(app: Any, world: Any) -> Any:
    async def scraped(scope: Any, receive: Any, send: Any) -> None:
        async def send_less(message: dict[str, Any]) -> None:
            lines = message.get("body", b"").split(b"\n")
            kept = [line for line in lines if not line.startswith(b"evershelf_answers_") or b'"popular"' not in line]
            await send(message | {"body": b"\n".join(kept)} if "body" in message else message)

        await app(scope, receive, send_less if scope.get("path") == "/metrics" else send)

    del world
    return scraped


class _ForgetfulConnection(sqlite3.Connection):
    """Says that it has committed, and has not."""

    def execute(self, statement: str, parameters: Any = ()) -> sqlite3.Cursor:
        return super().execute("ROLLBACK" if statement == "COMMIT" else statement, parameters)


def _forgetful_disk(outside: Outside) -> Outside:
    def open_sqlite(path: Path) -> sqlite3.Connection:
        return sqlite3.connect(path, isolation_level=None, factory=_ForgetfulConnection)

    return replace(outside, open_sqlite=open_sqlite)


class _MiscountingConnection(sqlite3.Connection):
    """Forgets to count down what has left the spool."""

    def execute(self, statement: str, parameters: Any = ()) -> sqlite3.Cursor:
        if statement.lstrip().startswith("UPDATE counts") or "\nUPDATE counts" in statement:
            accepted, stored, dead, pending, decisions = parameters
            parameters = (accepted, stored, dead, max(pending, 0), decisions)
        return super().execute(statement, parameters)


def _miscounting_disk(outside: Outside) -> Outside:
    def open_sqlite(path: Path) -> sqlite3.Connection:
        return sqlite3.connect(path, isolation_level=None, factory=_MiscountingConnection)

    return replace(outside, open_sqlite=open_sqlite)


def _count_twice(kept: tables.Tables, undo: tables.Undo, names: Any, moves: Any) -> None:
    tables.count_up(kept, undo, names, [2 * moved for moved in moves])


def _bury_nothing(*_: Any) -> int:
    return 1


def _no_changes(*_: Any) -> list[tables.Row]:
    return []


PLANTS: tuple[Plant, ...] = (
    Plant("fails-sometimes", "G1", "every seventh question is answered 500", app=_fails_sometimes),
    Plant("empty-list", "G4", "now and then the list is empty", app=_once_in_five(_empty)),
    Plant("late", "G2", "answers wait another 300 ms", app=_late),
    Plant("calls-for-nobody", "G3", "inference is called with more budget than anybody has",
          app=_calling(after_each=1, only_in_trouble=False, budget_ms=5_000)),
    Plant("item-twice", "G4", "now and then the first item comes twice", app=_once_in_five(_twice)),
    Plant("untrue-reason", "G5", "a sound model is blamed", app=_once_in_five(_untrue)),
    Plant("other-order-after-restart", "G6", "a restarted gateway orders items otherwise",
          app=_rewriting(_shuffled_after_restart)),
    Plant("deaf-to-changes", "G7", "suppressions never reach the gateway",
          statements={"items.changes_since": _no_changes}),
    Plant("slow-start", "G8", "a restart takes five seconds more", app=_slow_start),
    Plant("forgetful-disk", "G9", "a commit that is reported is rolled back", outside=_forgetful_disk),
    Plant("accepts-everything", "G9", "events are acknowledged and thrown away", app=_acknowledging),
    Plant("counts-twice", "G10", "the counters move twice", statements={"events.count_up": _count_twice}),
    Plant("buries-nothing", "G9", "dead letters are not written", Fault.POISON_EVENT,
          statements={"events.bury": _bury_nothing}),
    Plant("miscounts", "G11", "what has left the spool is not counted down", outside=_miscounting_disk),
    Plant("refuses-for-nothing", "G12", "events are refused, without Retry-After, on a sound disk", app=_refusing),
    Plant("stays-ill", "G14", "after a fault questions are not answered any more", Fault.INFERENCE_ERRORS,
          app=_remembers_its_illness),
    Plant("retries", "G15", "inference is asked three times", app=_calling(after_each=2, only_in_trouble=False)),
    Plant("no-breaker", "G16", "a dead inference is called for every question", Fault.INFERENCE_DEAD,
          app=_calling(after_each=5, only_in_trouble=True)),
    Plant("never-comes-back", "G17", "after a fault the model is not used any more", Fault.INFERENCE_DEAD,
          app=_rewriting(_never_asks_again)),
    Plant("keeps-the-old-shelf", "G22", "a new snapshot is not taken into use", Fault.SNAPSHOT_NEW,
          app=_rewriting(_old_shelf)),
    Plant("never-goes-back", "G22", "a snapshot that was put back in force is not taken into use",
          Fault.SNAPSHOT_BACK, app=_rewriting(_old_shelf)),
    Plant("baseline-at-need", "G24", "no baseline is made where the model answers",
          app=_once_in_five(_without_baseline)),
    Plant("never-rehearses", "G24", "rungs that nobody needs are not tried", app=_never_rehearses),
    Plant("counts-no-popular", "G28", "the metrics leave out answers of one source", app=_counts_no_popular),
)  # fmt: skip
