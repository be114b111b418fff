"""What can happen to the inference process itself; the proxy has what happens on its way, the stub what it says."""

import asyncio
import resource
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from evershelf.drills.injection import Injection, Witness, repeated, sure
from evershelf.drills.rig import INFERENCE, Rig

CRASH_EVERY_S = 2.0
MEMORY_BYTES = 64 * 2**20  # Python starts in it; numpy does not
RESTART_S = 0.5


def crash_loop() -> Injection:
    """It is killed every 2 s, whether or not it was ready, and started again at once."""

    def crash(rig: Rig) -> None:
        rig.kill(INFERENCE)
        rig.processes[INFERENCE].start()

    def ready(rig: Rig) -> None:
        del rig

    loop = repeated(crash, ready, every_s=CRASH_EVERY_S, for_s=CRASH_EVERY_S / 2)

    @asynccontextmanager
    async def inject(rig: Rig) -> AsyncIterator[Witness]:
        async with loop(rig) as felt:
            yield felt
        rig.await_answer(INFERENCE, f"{rig.url(INFERENCE)}/readyz")

    return inject


@asynccontextmanager
async def out_of_memory(rig: Rig) -> AsyncIterator[Witness]:
    """It is started again where there is too little memory for it, again and again; felt if it could not start."""
    failures = 0

    def starve() -> None:
        nonlocal failures
        failures += 1
        rig.processes[INFERENCE].start()
        pid = rig.processes[INFERENCE].pid
        if pid is not None:
            resource.prlimit(pid, resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))

    async def keep_starting() -> None:
        while True:
            if not rig.is_running(INFERENCE):
                starve()
            await asyncio.sleep(RESTART_S)

    async def felt() -> bool:
        return failures > 1

    rig.kill(INFERENCE)
    task = asyncio.create_task(keep_starting())
    try:
        yield felt
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        rig.kill(INFERENCE)
        rig.start_again(INFERENCE)


@asynccontextmanager
async def without_descriptors(rig: Rig) -> AsyncIterator[Witness]:
    """It may open no further descriptor: connections that it has go on, new ones wait in the kernel."""
    pid = rig.processes[INFERENCE].pid
    assert pid is not None
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (rig.descriptors(INFERENCE), before[1]))
    rig.proxy.cut(INFERENCE)
    try:
        yield sure
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
