"""The verb `upgrade`: what this version would change in an installation, or the change itself."""

import asyncio
from typing import Annotated

import typer

from evershelf.cli.context import open_database
from evershelf.cli.operation import migrate
from evershelf.cli.options import AsJson, DataDir
from evershelf.cli.output import print_json, print_line, print_table


class UpgradeNeedsStopError(Exception):
    """A migration would take away what running processes of the version before still use."""


def upgrade(
    check: Annotated[bool, typer.Option("--check", help="Only say what would be done.")] = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Bring the database to this version, or with --check say what that would change; then restart the processes."""
    from evershelf.storage.schema import expected_version
    from evershelf.storage.upgrade import plan_upgrade

    if not check:
        migrate(data_dir, as_json)
        return
    with open_database(data_dir) as url:
        before, planned = asyncio.run(plan_upgrade(url))
    if as_json:
        steps = [{"version": each.version, "file": each.file, "only_adds": each.only_adds} for each in planned]
        print_json({"before": before, "after": expected_version(), "migrations": steps})
    elif not planned:
        print_line(f"schema {before}: nothing to do; restart inference, then the gateways one by one")
    else:
        rows = [(each.version, each.file, "yes" if each.only_adds else "NO") for each in planned]
        print_table(f"Schema {before} to {expected_version()}", ("version", "file", "only adds"), rows)
    taking = [each.file for each in planned if not each.only_adds and before is not None]
    if taking:
        raise UpgradeNeedsStopError(f"{taking[0]} takes something away: stop all gateways of older versions first")
