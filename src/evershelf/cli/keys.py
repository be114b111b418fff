"""The verbs of an operator who acts on the database: keys and suppressed items."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from evershelf.cli.context import installation, open_database, settings
from evershelf.cli.options import AsJson, DataDir
from evershelf.cli.output import print_json, print_line, print_table

if TYPE_CHECKING:
    from evershelf.storage.postgres import Pool

ACTOR = "command line"
T = TypeVar("T")

key_app = typer.Typer(help="API keys: create, list, rotate, revoke.", no_args_is_help=True, rich_markup_mode=None)
items_app = typer.Typer(help="Take items off every shelf, and back.", no_args_is_help=True, rich_markup_mode=None)


class NothingChangedError(Exception):
    """There was no such key or item, or it already was in the state wanted."""


@key_app.command("create")
def create(
    name: Annotated[str, typer.Argument(help="What the key is for.")],
    scope: Annotated[list[str], typer.Option(help="recommend, events, catalog or admin; repeatable.")],
    quota_per_s: Annotated[
        float | None, typer.Option(min=0.001, help="Requests a second; without it the gateway's setting holds.")
    ] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Create a key and print it, this once."""
    from evershelf.contracts.keys import Scope
    from evershelf.storage.keys import create_key, mint_key

    _check(scope)
    plain, stored = mint_key(_key_secret(data_dir), name, tuple(Scope(s) for s in scope), quota_per_s=quota_per_s)
    with_pool(data_dir, lambda pool: create_key(pool, stored, actor=ACTOR))
    if as_json:
        print_json({"key": plain, "key_id": stored.key_id, "scopes": scope, "quota_per_s": quota_per_s})
    else:
        print_line(plain)


@key_app.command("keep")
def keep(
    name: Annotated[str, typer.Argument(help="What the key is for.")],
    variable: Annotated[str, typer.Option("--from", help="Environment variable that holds the key.")],
    scope: Annotated[list[str], typer.Option(help="recommend, events, catalog or admin; repeatable.")],
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Let in a key that was made elsewhere, such as in a secrets store; doing it twice changes nothing."""
    from evershelf.contracts.keys import Scope
    from evershelf.storage.keys import adopted_key, keep_key

    _check(scope)
    try:
        key = adopted_key(_key_secret(data_dir), os.environ.get(variable, ""), name, tuple(Scope(s) for s in scope))
    except ValueError as error:
        raise typer.BadParameter(f"{variable}: {error}") from error
    made = with_pool(data_dir, lambda pool: keep_key(pool, key, actor=ACTOR))
    if as_json:
        print_json({"key_id": key.key_id, "scopes": scope, "kept": "now" if made else "already"})
    else:
        print_line(f"{key.key_id} {'kept' if made else 'was kept already'}")


@key_app.command("list")
def list_all(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List all keys, without what is secret of them."""
    from evershelf.storage.keys import list_keys

    keys = with_pool(data_dir, list_keys)
    if as_json:
        print_json([key.model_dump(mode="json", exclude={"digest"}) for key in keys])
        return
    rows = [
        (
            k.key_id,
            k.name,
            " ".join(k.scopes),
            f"{k.quota_per_s:g}" if k.quota_per_s else "",
            f"{k.created_at:%Y-%m-%d}",
            f"{k.revoked_at:%Y-%m-%d %H:%M}" if k.revoked_at else "",
        )
        for k in keys
    ]
    print_table("API keys", ("key_id", "name", "scopes", "quota_per_s", "created", "ends"), rows)


@key_app.command("revoke")
def revoke(
    key_id: Annotated[str, typer.Argument(help="The id shown by `key list`.")],
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Revoke a key; gateways follow within seconds."""
    from evershelf.storage.keys import revoke_key

    done = with_pool(data_dir, lambda pool: revoke_key(pool, key_id, actor=ACTOR))
    _tell(done, as_json=as_json, subject=key_id, what="revoked")


@key_app.command("rotate")
def rotate(
    key_id: Annotated[str, typer.Argument(help="The id shown by `key list`.")],
    overlap_s: Annotated[
        int | None, typer.Option(min=0, help="Seconds for which the old key still holds; a day without it.")
    ] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Make a key that takes another one's place, print it, this once, and let the old one run out."""
    from datetime import timedelta

    from evershelf.contracts.keys import KEY_OVERLAP_S, KEY_OVERLAP_S_MAX
    from evershelf.storage.keys import rotate_key

    overlap_s = KEY_OVERLAP_S if overlap_s is None else overlap_s
    if overlap_s > KEY_OVERLAP_S_MAX:
        raise typer.BadParameter(f"--overlap-s is at most {KEY_OVERLAP_S_MAX}, 90 days")
    secret, overlap = _key_secret(data_dir), timedelta(seconds=overlap_s)
    made = with_pool(data_dir, lambda pool: rotate_key(pool, secret, key_id, overlap=overlap, actor=ACTOR))
    if made is None:
        raise NothingChangedError(f"{key_id} was not rotated: it does not exist, is revoked, or was rotated before")
    plain, new = made
    if as_json:
        print_json({"key": plain, "key_id": new.key_id, "scopes": [*new.scopes], "replaces": key_id})
    else:
        print_line(plain)


@items_app.command("suppress")
def suppress(
    item_id: Annotated[str, typer.Argument(help="The item.")],
    reason: Annotated[str, typer.Option(help="Why; goes to the audit log.")] = "",
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Take an item off every shelf; the owner's updates do not bring it back."""
    from evershelf.storage.catalog import suppress_item

    done = with_pool(data_dir, lambda pool: suppress_item(pool, item_id, actor=ACTOR, reason=reason))
    _tell(done, as_json=as_json, subject=item_id, what="suppressed")


@items_app.command("unsuppress")
def unsuppress(
    item_id: Annotated[str, typer.Argument(help="The item.")],
    reason: Annotated[str, typer.Option(help="Why; goes to the audit log.")] = "",
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Let a suppressed item back on the shelves."""
    from evershelf.storage.catalog import unsuppress_item

    done = with_pool(data_dir, lambda pool: unsuppress_item(pool, item_id, actor=ACTOR, reason=reason))
    _tell(done, as_json=as_json, subject=item_id, what="unsuppressed")


def _tell(done: bool, *, as_json: bool, subject: str, what: str) -> None:
    if not done:
        raise NothingChangedError(f"{subject} was not {what}: it does not exist, or it already is")
    if as_json:
        print_json({"subject": subject, "done": what})
    else:
        print_line(f"{subject} {what}")


def _check(scopes: list[str]) -> None:
    from evershelf.contracts.keys import Scope

    unknown = set(scopes) - set(Scope)
    if unknown:
        raise typer.BadParameter(f"{', '.join(sorted(unknown))}: the scopes are {', '.join(Scope)}")


def _key_secret(data_dir: Path | None) -> bytes:
    configured = settings().key_secret
    home = installation(data_dir)
    home.prepare()
    return bytes.fromhex(configured.get_secret_value() if configured else home.secret("key_secret") or "")


def with_pool(data_dir: Path | None, work: "Callable[[Pool], Awaitable[T]]") -> T:
    """Open the installation's database, do `work` on it, and close it again."""
    from evershelf.storage.postgres import open_pool

    async def run(url: str) -> T:
        pool = await open_pool(url, size_max=1)
        try:
            return await work(pool)
        finally:
            await pool.close()

    with open_database(data_dir) as url:
        return asyncio.run(run(url))
