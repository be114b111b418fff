"""The verbs about persons: erase one, and erase again what a restored backup brought back."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from evershelf.cli.keys import ACTOR, with_pool
from evershelf.cli.options import AsJson, DataDir
from evershelf.cli.output import print_json, print_line

users_app = typer.Typer(help="Persons: erase, reapply erasures.", no_args_is_help=True, rich_markup_mode=None)


@users_app.command("erase")
def erase(
    user_id: Annotated[str, typer.Argument(help="The user.")], data_dir: DataDir = None, as_json: AsJson = False
) -> None:
    """Remove events, decisions and attributes of a user, and print the receipt."""
    from evershelf.storage.erasures import erase_user

    receipt = with_pool(data_dir, lambda pool: erase_user(pool, user_id, actor=ACTOR))
    if as_json:
        print_json(receipt.model_dump(mode="json"))
    else:
        print_line(
            f"erasure {receipt.erasure_id}: {receipt.events} events, {receipt.decisions} decisions, "
            f"{receipt.attributes} attributes, {receipt.dead_letters} dead letters of the user and "
            f"{receipt.sessions} sessions"
        )


@users_app.command("reapply-erasures")
def reapply(
    mirror: Annotated[
        Path | None, typer.Option(help="A gateway's mirror.json, which remembers erasures that the backup lacks.")
    ] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """After restoring a backup: remove again what had been erased since it was made."""
    from evershelf.gateway.mirror import read_erasures
    from evershelf.storage.erasures import reapply_erasures

    remembered = read_erasures(mirror) if mirror is not None else ()
    done = with_pool(data_dir, lambda pool: reapply_erasures(pool, remembered))
    if as_json:
        print_json(asdict(done))
    else:
        print_line(
            f"{done.erasures} erasures taken up; removed {done.events} events, {done.decisions} decisions, "
            f"{done.attributes} attributes, {done.dead_letters} dead letters"
        )
