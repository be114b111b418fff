"""The gateway's look at the registry's models: one thread, bounded time, so that a slow disk holds up nobody."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from evershelf.gateway.one_thread import OneThread
from evershelf.gateway.settings import GatewaySettings
from evershelf.registry.opening import open_registry
from evershelf.registry.store import Registry

WAITING_MAX = 16
TIMEOUT_S = 10.0
T = TypeVar("T")


class RegistryUnavailable(Exception):  # noqa: N818 - named after the state, which is what callers decide on
    """The registry did not answer in time, or its disk failed."""


class ModelDesk:
    """Asks the registry in a thread of its own."""

    def __init__(self, settings: GatewaySettings) -> None:
        self._registry: Registry = open_registry(settings)
        self._thread = OneThread("models")
        self._waiting = 0

    async def start(self) -> None:
        """Nothing to do: a thread begins with the first question."""

    async def close(self) -> None:
        """Takes no more questions; one that hangs is left to itself."""
        self._thread.shutdown()

    async def ask(self, question: Callable[[Registry], T], *, timeout_s: float = TIMEOUT_S) -> T:
        """What `question` returns or raises. Raises RegistryUnavailable when it takes too long or the disk fails."""
        if self._waiting >= WAITING_MAX:
            raise RegistryUnavailable(f"{WAITING_MAX} questions wait for the registry already")
        self._waiting += 1
        asked = asyncio.get_running_loop().run_in_executor(self._thread, question, self._registry)
        asked.add_done_callback(self._done)
        done, _ = await asyncio.wait({asked}, timeout=timeout_s)
        if not done:
            raise RegistryUnavailable(f"the registry gave no answer within {timeout_s:g} s")
        try:
            return asked.result()
        except OSError as error:
            raise RegistryUnavailable(f"the registry failed: {error.strerror or error}") from error

    def _done(self, asked: "asyncio.Future[T]") -> None:
        self._waiting -= 1
        if not asked.cancelled():
            asked.exception()  # marks it as seen: nobody else reads that of an abandoned one
