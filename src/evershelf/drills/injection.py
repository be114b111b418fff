"""What an injected fault is: a block during which it is on, and a witness that says whether it was felt."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import IO, TypeAlias, cast

from evershelf.drills.link_fault import LinkFault
from evershelf.drills.rig import Rig
from evershelf.drills.stub_inference import Play
from evershelf.supervision.process import die_with_parent

Witness: TypeAlias = Callable[[], Awaitable[bool]]
Injection: TypeAlias = Callable[[Rig], AbstractAsyncContextManager[Witness]]
TOGGLE_S = 2.0


class CannotInjectError(Exception):
    """This machine does not allow this fault (no root, no loop devices); the message says what is missing."""


async def sure() -> bool:
    """The witness of a fault that cannot fail to happen: a signal to a process, a server that was stopped."""
    return True


def on_link(link: str, fault: LinkFault) -> Injection:
    """Puts a link of the proxy into a condition; felt if it changed what happened to something."""

    @asynccontextmanager
    async def inject(rig: Rig) -> AsyncIterator[Witness]:
        before = rig.proxy.tally(link).struck

        async def felt() -> bool:
            return rig.proxy.tally(link).struck > before

        rig.proxy.become(link, fault)
        try:
            yield felt
        finally:
            rig.proxy.become(link, LinkFault())

    return inject


def stub(link: str, play: Play) -> Injection:
    """Puts a misbehaving server into inference's place; felt if it was asked."""

    @asynccontextmanager
    async def inject(rig: Rig) -> AsyncIterator[Witness]:
        items = rig.folder / "eligible.txt"
        items.write_text("\n".join(sorted(rig.shop.catalog.eligible)))
        child = subprocess.Popen(  # noqa: ASYNC220, S603 - our own module; the runner has nothing else to do
            [sys.executable, "-m", "evershelf.drills.stub_inference", play, str(items)],
            stdout=subprocess.PIPE,
            preexec_fn=die_with_parent(),  # noqa: PLW1509 - one system call, prepared before the fork
        )
        out = cast("IO[bytes]", child.stdout)
        try:
            port = int(out.readline())
            before = rig.proxy.tally(link).connections
            rig.proxy.aim(link, port)
            rig.proxy.cut(link)

            async def felt() -> bool:
                return rig.proxy.tally(link).connections > before

            yield felt
        finally:
            rig.proxy.aim(link, rig.inference_port)
            rig.proxy.cut(link)
            child.kill()
            child.wait()
            out.close()

    return inject


def repeated(begin: Callable[[Rig], None], end: Callable[[Rig], None], *, every_s: float, for_s: float) -> Injection:
    """Switches something on for `for_s` of every `every_s` until the fault ends."""

    @asynccontextmanager
    async def inject(rig: Rig) -> AsyncIterator[Witness]:
        rounds = 0

        async def toggle() -> None:
            nonlocal rounds
            while True:
                begin(rig)
                rounds += 1
                await asyncio.sleep(for_s)
                end(rig)
                await asyncio.sleep(every_s - for_s)

        async def felt() -> bool:
            return rounds > 0

        task = asyncio.create_task(toggle())
        try:
            yield felt
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            end(rig)

    return inject


def both(first: Injection, second: Injection) -> Injection:
    """Two faults at a time; felt if both were."""

    @asynccontextmanager
    async def inject(rig: Rig) -> AsyncIterator[Witness]:
        async with first(rig) as one, second(rig) as other:

            async def felt() -> bool:
                return await one() and await other()

            yield felt

    return inject
