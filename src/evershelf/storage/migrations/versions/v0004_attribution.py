"""Version 0004: events by the recommendation that they quote."""

from evershelf.storage.migrations.sql_file import apply

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Applies 0004_attribution.sql."""
    apply("0004_attribution.sql")
