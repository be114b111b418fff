"""Version 0007: months that were dropped stay dropped."""

from evershelf.storage.migrations.sql_file import apply

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Applies 0007_retention.sql."""
    apply("0007_retention.sql")
