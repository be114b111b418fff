"""What one damaged reply of PostgreSQL says is not believed: two must say the same."""

from contextlib import asynccontextmanager

import pytest

from evershelf.contracts.catalog import Item
from evershelf.contracts.keys import Scope
from evershelf.gateway.mirror import Mirror
from evershelf.gateway.settings import GatewaySettings
from evershelf.storage.catalog import suppress_item, upsert_items
from evershelf.storage.keys import create_key, mint_key
from tests.gateway.test_mirror import SECRET, FakeLink


class DamagedConnection:
    def __init__(self, connection, pool):
        self._connection, self._pool = connection, pool

    def __getattr__(self, name):
        return getattr(self._connection, name)

    async def fetch(self, *query):
        rows = [dict(row) for row in await self._connection.fetch(*query)]
        if rows and self._pool.column in rows[-1] and self._pool.damage_left:
            self._pool.damage_left -= 1
            rows[-1][self._pool.column] = self._pool.wrong
        return rows


class DamagedPool:
    """PostgreSQL's own pool, over which the first reply that holds `column` arrives with a wrong value in it."""

    def __init__(self, pool, column, wrong):
        self._pool, self.column, self.wrong, self.damage_left = pool, column, wrong, 1

    @asynccontextmanager
    async def acquire(self, **options):
        async with self._pool.acquire(**options) as connection:
            yield DamagedConnection(connection, self)


@pytest.mark.parametrize(("column", "wrong"), [("digest", "0" * 64), ("change_sequence", 2**40), ("item_id", "itel")])
async def test_one_damaged_reply_changes_nothing_and_skips_nothing(tmp_path, pool, column, wrong):
    # Promise: no key is shut out by a bit that flips on its way, and no suppression is missed.
    link = FakeLink(pool)
    settings = GatewaySettings(key_secret=SECRET, gateway_data_dir=tmp_path, gateway_mirror_poll_s=60)
    mirror = Mirror(settings, link)
    await mirror.start()
    _, key = mint_key(bytes.fromhex(SECRET), "shop", [Scope.RECOMMEND])
    await create_key(pool, key, actor="test")
    await upsert_items(pool, [Item(item_id="item")])
    link.pool = damaged = DamagedPool(pool, column, wrong)
    await mirror.refresh()
    assert damaged.damage_left == 0
    assert set(mirror.keys.values()) <= {key}
    assert mirror.items_changed == (mirror.known("item") is not None)
    await suppress_item(pool, "item", actor="test", reason="recalled")
    await mirror.refresh()
    assert list(mirror.keys.values()) == [key]
    assert mirror.items_changed == 1
    assert mirror.known("item").suppressed
    await mirror.close()
