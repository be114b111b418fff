"""Small versions to publish: any bytes, with the manifest that belongs to them."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from evershelf.contracts.manifest import SnapshotManifest
from evershelf.registry.artifact import describe

BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)


def snapshot_folder(folder: Path, version: str, *, content: bytes = b"shelf", age_h: int = 0) -> SnapshotManifest:
    """Writes one file into `folder` and returns its manifest; a higher `age_h` is an older version."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "items.jsonl").write_bytes(content)
    return SnapshotManifest(
        version=version,
        created_at=BEGINNING - timedelta(hours=age_h),
        code_version="test",
        items=1,
        catalog_sequence=1,
        files=describe(folder),
    )
