"""The command line: one verb a line; each imports what it needs only when it runs."""

import sys

import typer

from evershelf.cli.backup import backup, restore
from evershelf.cli.bench import bench
from evershelf.cli.config import config_app
from evershelf.cli.demo import demo_app
from evershelf.cli.demo_data import demo_data
from evershelf.cli.demo_traffic import demo_traffic
from evershelf.cli.doctor import doctor
from evershelf.cli.drills import drill_app
from evershelf.cli.importing import import_app
from evershelf.cli.keys import items_app, key_app
from evershelf.cli.models import models_app
from evershelf.cli.operation import migrate, openapi
from evershelf.cli.proof import simulate
from evershelf.cli.rehearse import rehearse_app
from evershelf.cli.report import report_app
from evershelf.cli.retention import retention
from evershelf.cli.retraining import retrain
from evershelf.cli.serving import recommend, up
from evershelf.cli.spoken import speak_json_if_told
from evershelf.cli.training import evaluate, refresh, train
from evershelf.cli.upgrade import upgrade
from evershelf.cli.users import users_app

FAILURE = 1
USAGE = 2
INTERRUPTED = 130
OWN_PACKAGE = "evershelf."

app = typer.Typer(
    name="evershelf",
    help="A self-hosted recommendation service whose shelf is never empty.",
    no_args_is_help=True,
    rich_markup_mode=None,  # drawing the help would take longer than everything else it does
    pretty_exceptions_enable=False,
)
app.command("up")(up)
app.command("recommend")(recommend)
app.command("train")(train)
app.command("evaluate")(evaluate)
app.command("refresh")(refresh)
app.command("retrain")(retrain)
app.command("migrate")(migrate)
app.command("upgrade")(upgrade)
app.command("retention")(retention)
app.command("backup")(backup)
app.command("restore")(restore)
app.command("doctor")(doctor)
app.command("openapi")(openapi)
app.command("simulate")(simulate)
app.command("bench")(bench)
demo_app.command("data")(demo_data)
demo_app.command("traffic")(demo_traffic)
app.add_typer(demo_app, name="demo")
app.add_typer(import_app, name="import")
app.add_typer(models_app, name="models")
app.add_typer(rehearse_app, name="rehearse")
app.add_typer(report_app, name="report")
app.add_typer(config_app, name="config")
app.add_typer(key_app, name="key")
app.add_typer(items_app, name="items")
app.add_typer(users_app, name="users")
app.add_typer(drill_app, name="drill")


def main() -> None:
    """Run a verb. An expected failure ends with one line on standard error: exit code 1, for wrong usage 2."""
    try:
        speak_json_if_told()
        app()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except Exception as error:
        line, code = _explain(error)
        if line is None:
            raise
        sys.stderr.write(f"evershelf: {line}\n")
        sys.exit(code)


def _explain(error: Exception) -> tuple[str | None, int]:
    """What to tell of an error, and the exit code; None for a bug, which deserves its traceback.

    Exceptions that this package defines are expected failures, and their messages are written for people.
    """
    if type(error).__module__.startswith(OWN_PACKAGE):
        return str(error), FAILURE
    if isinstance(error, OSError):
        return f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}", FAILURE
    if type(error).__name__ == "ValidationError" and hasattr(error, "title"):
        return _explain_settings(error), USAGE
    return None, FAILURE


def _explain_settings(error: Exception) -> str | None:
    from pydantic import ValidationError

    if not isinstance(error, ValidationError) or not error.title.endswith("Settings"):
        return None
    parts = (f"EVERSHELF_{str(e['loc'][0]).upper() if e['loc'] else '?'}: {e['msg']}" for e in error.errors())
    return f"invalid settings: {'; '.join(parts)}"


if __name__ == "__main__":
    main()
