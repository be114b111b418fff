"""One small shop, imported and trained once, with real processes around it."""

from collections.abc import AsyncIterator

import pytest_asyncio

from evershelf.drills.campaign import rig_in
from evershelf.drills.rig import Rig


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rig() -> AsyncIterator[Rig]:
    """PostgreSQL with a part of the demo shop, a champion, a snapshot, inference and a gateway behind the proxy."""
    with rig_in(None, seed=1) as rig:
        await rig.start()
        yield rig
