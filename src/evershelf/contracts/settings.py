"""Settings: one base for all parts, read from the environment and one TOML file, with the origin of each value.

Precedence: environment variable > file named by EVERSHELF_CONFIG (`evershelf.toml` in the working folder) > default.
In the file, a setting `EVERSHELF_GATEWAY_PORT` stands as `gateway_port` at the top level.
"""

import os
from pathlib import Path

from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

ENV_PREFIX = "EVERSHELF_"
CONFIG_VARIABLE = "EVERSHELF_CONFIG"


class Settings(BaseSettings):
    """Base of every part's settings. A field named `gateway_port` is the variable EVERSHELF_GATEWAY_PORT.

    Subclasses are frozen. Secrets are `SecretStr` and have no default.
    """

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX,
        frozen=True,
        extra="ignore",
        protected_namespaces=(),
        hide_input_in_errors=True,  # a secret of the wrong shape is still a secret
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic-settings fixes this signature
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic-settings fixes this signature
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments (tests, `up`), then the environment, then the file; no .env and no secrets folder."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, config_path())

    def origins(self) -> dict[str, str]:
        """Where each field's value came from: `environment`, `file` or `default`."""
        in_file = TomlConfigSettingsSource(type(self), config_path())()
        return {name: self._origin(name, in_file) for name in type(self).model_fields}

    def _origin(self, name: str, in_file: dict[str, object]) -> str:
        if f"{ENV_PREFIX}{name}".upper() in {variable.upper() for variable in os.environ}:
            return "environment"
        return "file" if name in in_file else "default"


def config_path() -> Path:
    """The configuration file's path; it need not exist."""
    return Path(os.environ.get(CONFIG_VARIABLE, "evershelf.toml"))
