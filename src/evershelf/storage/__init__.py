"""PostgreSQL and nothing else."""

import asyncpg.protocol

from evershelf.storage.wire import CheckedProtocol

# asyncpg makes every connection of what stands here; it offers no other place to say so.
asyncpg.protocol.Protocol = CheckedProtocol  # type: ignore[assignment, misc]
