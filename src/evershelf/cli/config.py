"""`config show`: every setting of every part, its value and where the value came from."""

import importlib
import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from evershelf.cli.options import AsJson
from evershelf.cli.output import print_json, print_table

if TYPE_CHECKING:
    from evershelf.contracts.settings import Settings

PARTS = ("supervision", "gateway", "inference", "training", "importing", "storage", "registry", "tracing", "demo")
UNSET = "(not set)"
# Takes the place of a required secret that is missing: it passes for one, and is never shown.
STAND_IN = "00" * 32

config_app = typer.Typer(help="Configuration: show it.", no_args_is_help=True, rich_markup_mode=None)


class InvalidConfigurationError(Exception):
    """A setting has a value that its part refuses."""


@dataclass(frozen=True)
class ShownSetting:
    """One line of `config show`; secrets are masked."""

    part: str
    variable: str
    value: str
    origin: str


@config_app.command("show")
def show(
    origin: Annotated[bool, typer.Option("--origin", help="Also where each value came from.")] = False,
    as_json: AsJson = False,
) -> None:
    """Print all settings; secrets are masked."""
    lines = [line for part, cls in settings_classes() for line in _shown(part, cls)]
    if as_json:
        print_json([line.__dict__ for line in lines])
        return
    columns = ("part", "setting", "value", "origin")[: 4 if origin else 3]
    rows = [(line.part, line.variable, line.value, line.origin)[: len(columns)] for line in lines]
    print_table("Settings", columns, rows)


def settings_classes() -> "Iterator[tuple[str, type[Settings]]]":
    """Every part's Settings class, found in its module `settings`."""
    from evershelf.contracts.settings import Settings

    for part in PARTS:
        name = f"evershelf.{part}.settings"
        if importlib.util.find_spec(name) is None:
            continue
        for found in vars(importlib.import_module(name)).values():
            if isinstance(found, type) and issubclass(found, Settings) and found.__module__ == name:
                yield part, found


def _shown(part: str, cls: "type[Settings]") -> "Iterator[ShownSetting]":
    from evershelf.contracts.settings import ENV_PREFIX

    values, missing = _read(cls)
    for name, origin in values.origins().items():
        value = UNSET if name in missing or getattr(values, name) is None else str(getattr(values, name))
        yield ShownSetting(part, f"{ENV_PREFIX}{name}".upper(), value, origin)


def _read(cls: "type[Settings]") -> "tuple[Settings, frozenset[str]]":
    """The settings, and the names of required ones that are missing (they hold a stand-in)."""
    from pydantic import ValidationError

    try:
        return cls(), frozenset()
    except ValidationError as error:
        missing = frozenset(str(e["loc"][0]) for e in error.errors() if e["type"] == "missing")
        wrong = [f"{e['loc'][0]}: {e['msg']}" for e in error.errors() if e["type"] != "missing"]
        if wrong:
            raise InvalidConfigurationError(f"invalid settings: {'; '.join(wrong)}") from error
        stand_ins: dict[str, Any] = dict.fromkeys(missing, STAND_IN)  # the fields are those of a subclass
        return cls(**stand_ins), missing
