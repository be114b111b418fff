"""Settings of an installation run by the command line."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr

from evershelf.contracts.settings import Settings


class InstallationSettings(Settings):
    """Where an installation lives, and how its processes are watched over."""

    data_dir: Path | None = None
    database_url: SecretStr | None = None
    key_secret: SecretStr | None = None
    supervisor_grace_s: Annotated[float, Field(gt=0, le=300)] = 15.0
    supervisor_restart_delay_min_s: Annotated[float, Field(gt=0, le=60)] = 0.25
    supervisor_restart_delay_max_s: Annotated[float, Field(gt=0, le=600)] = 10.0
    supervisor_log_size_max_bytes: Annotated[int, Field(ge=1_000, le=2**30)] = 10_000_000
    supervisor_refresh_interval_s: Annotated[float, Field(ge=1, le=86_400)] = 300.0
