"""Version 0002: decisions by time, users by prefix."""

from evershelf.storage.migrations.sql_file import apply

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Applies 0002_decisions_by_time.sql."""
    apply("0002_decisions_by_time.sql")
