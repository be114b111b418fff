"""Version 0003: quotas of keys."""

from evershelf.storage.migrations.sql_file import apply

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Applies 0003_key_quotas.sql."""
    apply("0003_key_quotas.sql")
