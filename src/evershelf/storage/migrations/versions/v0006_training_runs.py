"""Version 0006: training runs are found quickly."""

from evershelf.storage.migrations.sql_file import apply

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Applies 0006_training_runs.sql."""
    apply("0006_training_runs.sql")
