"""What a user can set, see or type is documented, or this fails."""

from pathlib import Path

from evershelf.cli.config import settings_classes
from evershelf.cli.main import app
from evershelf.contracts.problems import ProblemType
from evershelf.contracts.recommendations import Reason
from evershelf.contracts.settings import ENV_PREFIX
from evershelf.gateway.telemetry import Telemetry as GatewayTelemetry
from evershelf.inference.telemetry import Telemetry as InferenceTelemetry

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
