"""Turns: a job that one process at a time may do, whoever is quickest."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from evershelf.storage.postgres import connect, translated
from evershelf.storage.queries import sql

ASK_TIMEOUT_S = 10.0


@contextmanager
def turn(url: str, name: str) -> Iterator[bool]:
    """Whether it is our turn at the job `name`; if so it stays ours while the block lasts, or until this process dies.

    A session lock on a connection of its own: give the server's own URL, not that of a transaction pooler. Raises
    StorageError when the database cannot be asked.
    """
    with asyncio.Runner() as runner:
        connection = runner.run(connect(url, command_timeout_s=ASK_TIMEOUT_S))
        try:
            with translated():
                ours = bool(runner.run(connection.fetchval(sql("turns.take"), name)))
            yield ours
        finally:
            connection.terminate()  # the server lets the lock go with the session
