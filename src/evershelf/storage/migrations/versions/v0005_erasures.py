"""Version 0005: erased persons."""

from evershelf.storage.migrations.sql_file import apply

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Applies 0005_erasures.sql."""
    apply("0005_erasures.sql")
