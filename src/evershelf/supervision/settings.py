"""Settings of an installation run by the command line, and of the web process beside it."""

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
    # None: `up` does not train by itself.
    supervisor_retrain_interval_s: Annotated[float, Field(ge=60, le=30 * 86_400)] | None = None
    supervisor_refresh_interval_s: Annotated[float, Field(ge=1, le=86_400)] = 300.0
    cli_json_lines: bool = False


class WebSettings(Settings):
    """What the web process reads from its environment; an installation fills in what is not set."""

    web_host: str = "127.0.0.1"
    web_port: Annotated[int, Field(ge=1, le=65_535)] | None = None
    web_build_dir: Path | None = None
    web_gateway_url: str | None = None
    web_shop_key: SecretStr | None = None
    web_admin_key: SecretStr | None = None
    web_password: SecretStr | None = None
    web_session_secret: SecretStr | None = None
    web_data_dir: Path | None = None
    web_pictures_dir: Path | None = None
    web_shoppers: str | None = None
    web_proxies: Annotated[int, Field(ge=0, le=5)] = 0
