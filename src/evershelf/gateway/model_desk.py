"""The gateway's look at the registry's models: one thread, bounded time, so that a slow disk holds up nobody."""

import asyncio
from collections.abc import Awaitable, Callable
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


class Caller:
    """Whoever asked. What is asked looks here whether they still wait, before it changes anything."""

    gone = False

    def check(self) -> None:
        """Raises RegistryUnavailable once they wait no more: they were told that nothing happened."""
        if self.gone:
            raise RegistryUnavailable("nobody waits for it any more")


class ModelDesk:
    """Asks the registry in a thread of its own."""

    def __init__(self, settings: GatewaySettings) -> None:
        self._registry: Registry = open_registry(settings)
        self._thread = OneThread("models")
        self._waiting = 0
        self._recordings: set[asyncio.Task[bool]] = set()

    async def start(self) -> None:
        """Nothing to do: a thread begins with the first question."""

    async def close(self) -> None:
        """Takes no more questions; one that hangs is left to itself."""
        self._thread.shutdown()
        for recording in self._recordings:
            recording.cancel()
        await asyncio.gather(*self._recordings, return_exceptions=True)

    async def ask(self, question: Callable[[Registry], T], *, timeout_s: float = TIMEOUT_S) -> T:
        """What `question` returns or raises. Raises RegistryUnavailable when it takes too long or the disk fails.

        A question whose turn comes after that is not asked at all.
        """
        caller = Caller()
        return await _answer(self._asked(question, caller), caller, timeout_s)

    async def carry_out(
        self,
        deed: Callable[[Registry, Caller], T],
        record: Callable[[T], Awaitable[bool]],
        *,
        timeout_s: float = TIMEOUT_S,
    ) -> tuple[T, bool]:
        """As `ask`, and then what `record` says of it; it is recorded also where nobody waits for it any more.

        A deed that takes long should ask its caller before it changes anything. What it changes in the very moment in
        which time runs out is reported as RegistryUnavailable and recorded.
        """
        caller = Caller()
        asked = self._asked(lambda registry: deed(registry, caller), caller)
        recording = asyncio.create_task(_recorded(asked, record))
        self._recordings.add(recording)
        recording.add_done_callback(self._recordings.discard)
        outcome = await _answer(asked, caller, timeout_s)
        return outcome, await asyncio.shield(recording)

    def _asked(self, question: Callable[[Registry], T], caller: Caller) -> "asyncio.Future[T]":
        if self._waiting >= WAITING_MAX:
            raise RegistryUnavailable(f"{WAITING_MAX} questions wait for the registry already")
        self._waiting += 1

        def in_its_turn(registry: Registry) -> T:
            caller.check()
            return question(registry)

        asked = asyncio.get_running_loop().run_in_executor(self._thread, in_its_turn, self._registry)
        asked.add_done_callback(self._done)
        return asked

    def _done(self, asked: "asyncio.Future[T]") -> None:
        self._waiting -= 1
        if not asked.cancelled():
            asked.exception()  # marks it as seen: nobody else reads that of an abandoned one


async def _answer(asked: "asyncio.Future[T]", caller: Caller, timeout_s: float) -> T:
    try:
        done, _ = await asyncio.wait({asked}, timeout=timeout_s)
    finally:
        caller.gone = True
    if not done:
        raise RegistryUnavailable(f"the registry gave no answer within {timeout_s:g} s")
    try:
        return asked.result()
    except OSError as error:
        raise RegistryUnavailable(f"the registry failed: {error.strerror or error}") from error


async def _recorded(asked: "asyncio.Future[T]", record: Callable[[T], Awaitable[bool]]) -> bool:
    await asyncio.wait({asked})
    if asked.cancelled() or asked.exception() is not None:
        return False
    return await record(asked.result())
