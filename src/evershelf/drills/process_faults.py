"""What can happen to any process of the rig, whatever its part: killed, frozen, standing still again and again."""

import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from evershelf.drills.injection import Injection, Witness, repeated, sure
from evershelf.drills.rig import Rig


def killed(name: str) -> Injection:
    """SIGKILL (`kill -9`); started again to heal."""

    @asynccontextmanager
    async def inject(rig: Rig) -> AsyncIterator[Witness]:
        rig.kill(name)
        try:
            yield sure
        finally:
            rig.start_again(name)

    return inject


def frozen(name: str) -> Injection:
    """SIGSTOP: the kernel accepts connections for it, and nobody answers."""

    @asynccontextmanager
    async def inject(rig: Rig) -> AsyncIterator[Witness]:
        rig.signal(name, signal.SIGSTOP)
        try:
            yield sure
        finally:
            rig.signal(name, signal.SIGCONT)

    return inject


def standing_still(name: str, *, every_s: float, for_s: float) -> Injection:
    """Its event loop stands still for `for_s` of every `every_s`."""
    return repeated(
        lambda rig: rig.signal(name, signal.SIGSTOP),
        lambda rig: rig.signal(name, signal.SIGCONT),
        every_s=every_s,
        for_s=for_s,
    )
