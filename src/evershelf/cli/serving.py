"""The verbs that serve and ask: `up` and `recommend`."""

import os
from typing import TYPE_CHECKING, Annotated

import typer

from evershelf.cli.context import installation, settings
from evershelf.cli.options import AsJson, DataDir
from evershelf.cli.output import print_json, print_line, print_progress, print_recommendation

if TYPE_CHECKING:
    from pathlib import Path

    from evershelf.supervision.installation import Installation
    from evershelf.supervision.launch import Launch

Port = Annotated[int | None, typer.Option("--port", min=1, max=65_535, help="Port of the gateway.", show_default=False)]

NoWeb = Annotated[bool, typer.Option("--no-web", help="Only the API: no storefront, no console.")]


def up(
    data_dir: DataDir = None,
    port: Port = None,
    no_web: NoWeb = False,
    as_json: AsJson = False,
) -> None:
    """Run a complete installation until Ctrl-C, and restart what dies."""
    from evershelf.supervision.launch import launch
    from evershelf.supervision.supervisor import obey_signals

    home = installation(data_dir)
    obey_signals()
    with launch(home, settings(), print_progress) as launching:
        launching.start_database()
        launching.migrate()
        launching.ensure_key()
        launching.start_inference()
        url = launching.start_gateway(port)
        launching.start_refresher()
        web_url = None if no_web else start_web(launching, url)
        launching.start_retrainer()
        if as_json:
            print_json({"gateway": url, "web": web_url, "data_dir": str(home.data_dir), "pid": os.getpid()})
        else:
            print_line(f"Evershelf serves at {url}, data in {home.data_dir}, key in {home.secrets_dir / 'api_key'}.")
            for line in web_lines(home, web_url):
                print_line(line)
            print_line("Ctrl-C stops it.")
        launching.supervisor.watch()


def start_web(
    launching: "Launch", gateway_url: str, *, pictures_dir: "Path | None" = None, shoppers: str | None = None
) -> str | None:
    """Storefront and console beside the gateway; where they cannot start, the rest runs all the same."""
    from evershelf.supervision.launch import ServiceFailedError
    from evershelf.supervision.web import NoWebError

    try:
        return launching.start_web(gateway_url, pictures_dir=pictures_dir, shoppers=shoppers)
    except (NoWebError, ServiceFailedError, OSError) as error:
        print_progress(f"no storefront and no console: {error}")
        return None


def web_lines(home: "Installation", url: str | None) -> tuple[str, ...]:
    """Where the web part is, and the console's password."""
    if url is None:
        return ()
    password = home.secret("web_password")
    return (f"  storefront  {url}", f"  console     {url}/console   password {password}")


def recommend(  # noqa: PLR0917 - typer calls it by name; each parameter is an option
    user: Annotated[str | None, typer.Argument(help="User id; none: a visitor nobody knows.")] = None,
    placement: Annotated[str, typer.Option(help="Named slot of a page.")] = "home",
    k: Annotated[int | None, typer.Option(min=1, max=100, help="How many items.", show_default=False)] = None,
    session: Annotated[str | None, typer.Option(help="Session id.")] = None,
    context_item: Annotated[list[str] | None, typer.Option(help="Item on the page or in the cart; repeatable.")] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Ask the running gateway for a list, and print it with its reasons."""
    from evershelf.cli.gateway_client import ask

    body: dict[str, object] = {"placement": placement, "context_items": context_item or []}
    body |= {name: value for name, value in (("user_id", user), ("session_id", session), ("k", k)) if value is not None}
    answer = ask(installation(data_dir), "/v1/recommendations", body)
    if as_json:
        print_json(answer)
    else:
        print_recommendation(answer, title=f"{placement} for {user or 'a visitor nobody knows'}")
