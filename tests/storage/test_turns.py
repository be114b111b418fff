"""A turn: of all who want to do a job, one does it at a time."""

import asyncio
import threading

from evershelf.storage.turns import turn


async def test_of_two_at_once_one_has_the_turn_and_afterwards_the_next_may(database_url):
    # Promise: nobody waits; the lock ends with the block.
    def two() -> list[bool]:
        with turn(database_url, "job") as first:
            found = [first]
            other = threading.Thread(
                target=lambda: found.extend(enter(database_url, name) for name in ("job", "other"))
            )
            other.start()
            other.join()
        return [*found, enter(database_url, "job")]

    assert await asyncio.to_thread(two) == [True, False, True, True]


def enter(url: str, name: str) -> bool:
    with turn(url, name) as ours:
        return ours
