"""The verbs `backup` and `restore`: an installation into a folder, and back."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evershelf.cli.context import installation, open_database, settings
from evershelf.cli.context import registry as open_registry
from evershelf.cli.options import AsJson, DataDir
from evershelf.cli.output import print_json, print_line, print_progress

if TYPE_CHECKING:
    from evershelf.contracts.erasures import Erasure
    from evershelf.supervision.installation import Installation


def backup(
    target: Annotated[Path, typer.Argument(help="A new or empty folder.")],
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Write database, registry and secrets into a folder; everything may go on running."""
    from evershelf.supervision.backup import back_up

    home = installation(data_dir)
    with open_database(data_dir) as url:
        made = back_up(home, url, open_registry(data_dir), target, print_progress)
    if settings().key_secret is not None:
        print_progress("EVERSHELF_KEY_SECRET comes from the environment and is not in the backup: keep it yourself")
    if as_json:
        print_json(made.model_dump(mode="json"))
    else:
        rows = sum(table.rows for table in made.tables.values())
        print_line(f"{target}: {rows} rows, {len(made.files)} files, schema {made.schema_version}")


def restore(
    source: Annotated[Path, typer.Argument(help="The folder of a backup.")],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Only read and verify the backup.")] = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Bring an installation back from a backup, and erase again whom it had erased since."""
    from evershelf.supervision.backup import opened, require_free, require_same_secrets, restore_secrets
    from evershelf.supervision.backup import restore as bring_back
    from evershelf.supervision.installation import AlreadyRunningError

    home = installation(data_dir)
    manifest = opened(source, print_progress)
    if check:
        print_json(manifest.model_dump(mode="json")) if as_json else print_line(f"{source} is whole")
        return
    if home.is_running():
        raise AlreadyRunningError(f"an Evershelf runs on {home.data_dir}: stop it before restoring into it")
    remembered = _remembered(home)
    if not overwrite:  # before the database: where there is no installation yet, opening one makes secrets
        require_same_secrets(home, source, manifest)
    with open_database(data_dir) as url:
        require_free(url, open_registry(data_dir), manifest, overwrite=overwrite)
        restore_secrets(home, source, manifest)
        done = bring_back(
            url,
            open_registry(data_dir),
            source,
            overwrite=overwrite,
            remembered=remembered,
            on_step=print_progress,
        )
    if as_json:
        print_json(asdict(done))
    else:
        print_line(f"restored as of {manifest.made_at:%Y-%m-%d %H:%M} UTC")


def _remembered(home: "Installation") -> "tuple[Erasure, ...]":
    """The erasures that this installation's gateway knows, newer than the backup perhaps."""
    from evershelf.gateway.mirror import read_erasures

    try:
        return read_erasures(home.gateway_dir / "mirror.json")
    except FileNotFoundError:
        return ()
