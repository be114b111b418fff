"""How a task that runs beside the requests ends."""

import asyncio
from contextlib import suppress


async def end(task: "asyncio.Task[None] | None") -> None:
    """Cancels the task, if there is one, and returns when it is over. Raises what it failed with before."""
    if task is not None:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
