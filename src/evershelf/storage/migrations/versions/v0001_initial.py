"""Version 0001: the first schema."""

from evershelf.storage.migrations.sql_file import apply

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Applies 0001_initial.sql."""
    apply("0001_initial.sql")
