"""One small shop, imported and trained once, with real processes around it."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from shutil import rmtree

import pytest

from tests.system.rig import Rig


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    """PostgreSQL with the demo shop, a champion, a snapshot, inference and a gateway, all running."""
    folder = Path(tempfile.mkdtemp(prefix="evershelf-system-"))
    folder.chmod(0o755)
    rig = Rig(folder)
    try:
        rig.start_postgres()
        rig.command("migrate")
        shop = folder / "shop"
        rig.command("demo", "data", "--out", str(shop))
        items = same_names("item_id title categories price currency available expires_at published_at tags")
        events = same_names("event_id user_id session_id item_id event_type occurred_at value")
        rig.command("import", "items", str(shop / "items.jsonl"), "--map", items, "--price-unit", "minor")
        rig.command("import", "users", str(shop / "users.jsonl"), "--map", "user_id=user_id")
        rig.command("import", "events", str(shop / "events.parquet"), "--map", events)
        rig.command("train")
        rig.command("refresh")
        rig.key = str(rig.command("key", "create", "test", "--scope", "recommend", "--scope", "events")["key"])
        rig.start_inference()
        rig.start_gateway()
        yield rig
    finally:
        rig.stop()
        rmtree(folder, ignore_errors=True)


def same_names(fields: str) -> str:
    """A map for a file whose columns have our own names."""
    return ",".join(f"{field}={field}" for field in fields.split())
