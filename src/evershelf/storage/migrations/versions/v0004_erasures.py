"""Version 0004: erased persons."""

from evershelf.storage.migrations.sql_file import apply

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Applies 0004_erasures.sql."""
    apply("0004_erasures.sql")
