"""The watch over a run: once a second it looks at the books, the doors, the memory and the descriptors of a gateway."""

import asyncio
import time
import urllib.error
import urllib.request
from collections import Counter
from dataclasses import dataclass, field

from evershelf.drills.rig import GATEWAY, Rig

EVERY_S = 1.0
ANSWER_TIMEOUT_S = 5.0
_PENDING = "evershelf_spool_events_"
_PLACE = "/v1/recommendations?user_id=door"


@dataclass(frozen=True, slots=True)
class Look:
    """What one look saw."""

    at_s: float
    memory_bytes: int
    descriptors: int
    accepted: float
    stored: float
    dead: float
    pending: float

    @property
    def is_balanced(self) -> bool:
        """Whether accepted = stored + dead + pending."""
        return self.accepted == self.stored + self.dead + self.pending


@dataclass(slots=True)
class Watched:
    """Everything the watch saw."""

    looks: list[Look] = field(default_factory=list)
    doors: Counter[str] = field(default_factory=Counter)  # what was tried and how it ended, counted

    @property
    def unbalanced(self) -> int:
        """Looks at books that did not balance."""
        return sum(not look.is_balanced for look in self.looks)

    @property
    def wrong_doors(self) -> dict[str, int]:
        """Doors that were open or closed against the rules (G26), by what happened."""
        right = {"no key: 401", "wrong key: 401", "missing scope: 403"}
        return {door: count for door, count in self.doors.items() if door not in right and "None" not in door}


async def watch(rig: Rig, seen: Watched) -> None:
    """Looks every second until cancelled. A gateway that does not answer is not looked at."""
    number = 0
    while True:
        metrics = await asyncio.to_thread(rig.metrics)
        if f"{_PENDING}accepted" in metrics:
            seen.looks.append(_look(rig, metrics))
        if number % 3 == 0:
            await _try_doors(rig, seen)
        number += 1
        await asyncio.sleep(EVERY_S)


def _look(rig: Rig, metrics: dict[str, float]) -> Look:
    return Look(
        at_s=time.monotonic(),
        memory_bytes=rig.memory_bytes(GATEWAY),
        descriptors=rig.descriptors(GATEWAY),
        accepted=metrics[f"{_PENDING}accepted"],
        stored=metrics[f"{_PENDING}stored"],
        dead=metrics[f"{_PENDING}dead"],
        pending=metrics[f"{_PENDING}pending"],
    )


async def _try_doors(rig: Rig, seen: Watched) -> None:
    """No key, a wrong key, and a key that lacks the scope: the same answers whatever is down."""
    key = rig.shop.key
    wrong = key[:-4] + ("aaaa" if not key.endswith("aaaa") else "bbbb")
    for name, sent, path in (
        ("no key", None, _PLACE),
        ("wrong key", wrong, _PLACE),
        ("missing scope", rig.shop.narrow_key, "/v1/events"),
    ):
        seen.doors[f"{name}: {await asyncio.to_thread(_status, rig.url() + path, sent)}"] += 1


def _status(url: str, key: str | None) -> int | None:
    body = b'{"events": [{}]}' if url.endswith("/events") else None
    asked = urllib.request.Request(url, data=body)  # noqa: S310 - loopback, our own processes
    if key is not None:
        asked.add_header("Authorization", f"Bearer {key}")
    try:
        with urllib.request.urlopen(asked, timeout=ANSWER_TIMEOUT_S) as answer:  # noqa: S310 - as above
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code
    except OSError:
        return None
