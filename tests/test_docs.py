"""What a user can set, see or type is documented, or this fails."""

import re
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages

import evershelf
from evershelf import contracts, gateway, inference, logs
from evershelf.cli.config import settings_classes
from evershelf.cli.main import app
from evershelf.contracts.problems import ProblemType
from evershelf.contracts.recommendations import Reason
from evershelf.contracts.settings import ENV_PREFIX
from evershelf.gateway.settings import GatewaySettings
from evershelf.gateway.telemetry import Telemetry as GatewayTelemetry
from evershelf.inference.settings import InferenceSettings
from evershelf.inference.telemetry import Telemetry as InferenceTelemetry

SOURCE = Path(evershelf.__file__).resolve().parents[1]
REFERENCE = Path(__file__).resolve().parents[1] / "docs" / "reference"


def undocumented(page: str, names: list[str]) -> list[str]:
    """Names that do not stand in code style on the page."""
    text = (REFERENCE / f"{page}.md").read_text()
    return [name for name in names if f"`{name}`" not in text]


def verbs(typer_app, prefix: str = "evershelf") -> list[str]:
    """Every command line up to its arguments, from typer's own registrations."""
    found = [f"{prefix} {command.name}" for command in typer_app.registered_commands]
    for group in typer_app.registered_groups:
        if group.typer_instance.registered_callback:
            found.append(f"{prefix} {group.name}")
        found += verbs(group.typer_instance, f"{prefix} {group.name}")
    return found


def test_every_setting_is_documented():
    # Promise: each variable of each part stands in settings.md.
    names = [f"{ENV_PREFIX}{name}".upper() for _, cls in settings_classes() for name in cls.model_fields]
    assert len(names) > 30
    assert not undocumented("settings", names)


def test_settings_page_names_nothing_that_is_gone():
    # Promise: what stands in settings.md exists.
    known = {f"{ENV_PREFIX}{name}".upper() for _, cls in settings_classes() for name in cls.model_fields}
    rows = (REFERENCE / "settings.md").read_text().splitlines()
    documented = {row.split("`")[1] for row in rows if row.startswith("| `EVERSHELF_")}
    assert documented == known


def test_settings_page_tells_the_defaults_that_hold():
    # Promise: the column "Default" is what a setting has when nobody sets it, in one of the parts that read it.
    def told(field) -> str:
        if field.is_required():
            return "required"
        default = field.get_default()
        return {None: "not set", "": "empty"}.get(default, f"`{default}`")

    held: dict[str, set[str]] = {}
    for _, cls in settings_classes():
        for name, field in cls.model_fields.items():
            held.setdefault(f"{ENV_PREFIX}{name}".upper(), set()).add(told(field))
    rows = re.findall(r"^\| `(EVERSHELF_\w+)` \| ([^|]+) \|", (REFERENCE / "settings.md").read_text(), re.MULTILINE)
    assert [(name, default) for name, default in rows if default not in held[name]] == []
    assert {name: {d for n, d in rows if n == name} for name, _ in rows} == held


def test_every_verb_is_documented():
    # Promise: each command stands in cli.md.
    assert not undocumented("cli", verbs(app))


def test_every_reason_is_documented():
    # Promise: each reason of an answer is explained in reasons.md.
    assert not undocumented("reasons", list(Reason))


def test_every_problem_type_is_documented():
    # Promise: each refusal is explained in problems.md.
    assert not undocumented("problems", list(ProblemType))


def test_every_metric_is_documented():
    # Promise: each metric that a part registers stands in metrics.md under the name that is scraped.
    families = [family for part in (GatewayTelemetry(), InferenceTelemetry()) for family in part._registry.collect()]
    names = [f"{family.name}_total" if family.type == "counter" else family.name for family in families]
    assert len(names) > 10
    assert not undocumented("metrics", names)


def limits_in_code() -> dict[str, float]:
    """Every setting and module constant of the serving parts that is a limit, by the name it has in limits.md."""
    found = {
        f"{ENV_PREFIX}{name}".upper(): field.default
        for cls in (GatewaySettings, InferenceSettings)
        for name, field in cls.model_fields.items()
        if "_max" in name
    }
    for room in (contracts, gateway, inference, logs):
        for module in walk_packages(room.__path__, f"{room.__name__}."):
            if module.ispkg or module.name.endswith("__main__"):
                continue
            text = (SOURCE / Path(*module.name.split("."))).with_suffix(".py").read_text()
            names = re.findall(r"^([A-Z][A-Z0-9_]*_MAX) *(?::[^=\n]*)?=", text, re.MULTILINE)
            values = {name: getattr(import_module(module.name), name) for name in names}
            short = module.name.removeprefix("evershelf.")
            found |= {f"{short}.{name}": value for name, value in values.items() if isinstance(value, int | float)}
    return found


def test_every_limit_is_documented_with_its_value():
    # Promise (G25): limits.md names each limit of gateway, inference, logs and the wire, with the value that it has.
    rows = re.findall(r"^\| `([\w.]+)` \| ([\d.,e+]+) \|", (REFERENCE / "limits.md").read_text(), re.MULTILINE)
    documented = {name: float(value.replace(",", "")) for name, value in rows}
    assert documented == limits_in_code()
    assert len(documented) > 100
