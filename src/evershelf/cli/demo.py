"""`evershelf demo`: from nothing to a served recommendation, with the same verbs that an operator would type."""

import hashlib
import itertools
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from evershelf.cli.context import settings
from evershelf.cli.options import AsJson, DataDir
from evershelf.cli.output import print_json, print_line, print_progress, print_recommendation
from evershelf.cli.serving import NoWeb, Port, start_web, web_lines
from evershelf.supervision.installation import Installation, default_data_dir

if TYPE_CHECKING:
    from evershelf.supervision.launch import Launch

ANSWER_TIMEOUT_S = 30.0
ANSWER_POLL_S = 0.25
SEED = 7
SHOPPERS_PER_SEGMENT = 3
SHOPPERS_LOOKED_AT = 1_000
ITEM_FIELDS = (
    "item_id", "title", "categories", "price", "currency", "image_url", "page_url", "available", "expires_at",
    "published_at", "tags",
)  # fmt: skip
EVENT_FIELDS = ("event_id", "user_id", "session_id", "item_id", "event_type", "occurred_at", "value")
T = TypeVar("T")

demo_app = typer.Typer(help="A believable shop to try.", invoke_without_command=True, rich_markup_mode=None)


class DemoFailedError(Exception):
    """A step of the demo failed; its own message stands above."""


@demo_app.callback()
def demo(  # noqa: PLR0917 - typer calls it by name; each parameter is an option
    context: typer.Context,
    data_dir: DataDir = None,
    port: Port = None,
    exit_after_first: Annotated[
        bool, typer.Option("--exit-after-first", help="Stop after the first recommendations.")
    ] = False,
    traffic: Annotated[
        bool, typer.Option("--traffic/--no-traffic", help="Simulated shoppers at a gentle rate.")
    ] = True,
    no_web: NoWeb = False,
    as_json: AsJson = False,
) -> None:
    """Make a shop, train on it, serve it, and show the first recommendations; what is there already is reused."""
    if context.invoked_subcommand is not None:
        return
    from evershelf.supervision.launch import launch
    from evershelf.supervision.supervisor import obey_signals

    home = Installation((data_dir or settings().data_dir or default_data_dir("demo")).resolve())
    steps = Steps(home)
    obey_signals()
    with launch(home, settings(), print_progress) as launching:
        url = _come_up(launching, steps, port)
        answers = steps.timed("first recommendations", lambda: _first_answers(home))
        web_url = None if no_web else steps.timed("web", lambda: _start_web(launching, url))
        _show(home, steps, answers, urls=(url, web_url), as_json=as_json)
        if not exit_after_first:
            if traffic:
                launching.start_shoppers()
            launching.supervisor.watch()


class Steps:
    """The steps of the demo: told one by one, timed, and done only once an installation and database."""

    def __init__(self, home: Installation) -> None:
        self.elapsed_s: dict[str, float] = {}
        self._home = home
        self._marker = home.data_dir / "demo.json"

    @property
    def total_s(self) -> float:
        """Seconds of all steps so far."""
        return sum(self.elapsed_s.values())

    def timed(self, name: str, work: Callable[[], T]) -> T:
        """Do `work`, tell its time, and return what it returns."""
        begun_s = time.monotonic()
        result = work()
        self.elapsed_s[name] = time.monotonic() - begun_s
        print_progress(f"  {name}: {self.elapsed_s[name]:.1f} s")
        return result

    def verb(self, *arguments: str, once: bool = False) -> None:
        """Run `evershelf ARGUMENTS` on this installation. Raises DemoFailedError if it fails."""
        shown = shlex.join(arguments)
        if once and shown in self._done():
            return
        print_progress(f"$ evershelf {shown}")
        self.timed(" ".join(itertools.takewhile(str.isalpha, arguments)), lambda: self._run(arguments))
        if once:
            self._remember(shown)

    def _run(self, arguments: tuple[str, ...]) -> None:
        from evershelf.supervision.process import die_with_parent

        program = (sys.executable, "-m", "evershelf.cli")
        # Its standard output joins our standard error: ours holds nothing but the answer.
        done = subprocess.run(  # noqa: S603 - our own command line
            (*program, *arguments, *self._where(arguments)),
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr.fileno(),
            check=False,
            preexec_fn=die_with_parent(),
        )
        if done.returncode != 0:
            raise DemoFailedError(f"the demo stopped: `evershelf {shlex.join(arguments)}` failed")

    def _where(self, arguments: tuple[str, ...]) -> tuple[str, ...]:
        return () if arguments[0] == "demo" else ("--data-dir", str(self._home.data_dir))

    def _done(self) -> list[str]:
        try:
            marker = json.loads(self._marker.read_text())
            return list(marker["done"]) if marker["database"] == _database_mark() else []
        except (OSError, ValueError, KeyError, TypeError):
            return []  # not done is the safe thing to believe: every step may be repeated

    def _remember(self, shown: str) -> None:
        marker = {"database": _database_mark(), "done": [*self._done(), shown]}
        self._marker.write_text(json.dumps(marker, indent=2) + "\n")


def _come_up(launching: "Launch", steps: Steps, port: int | None) -> str:
    """Everything from an empty folder to a live gateway; returns the gateway's URL."""
    shop = launching.home.data_dir / "shop"
    steps.verb("demo", "data", "--out", str(shop), "--seed", str(SEED), once=True)
    steps.timed("database", launching.start_database)
    steps.timed("schema", launching.migrate)
    steps.verb(
        *("import", "items", str(shop / "items.jsonl"), "--map", _same_names(ITEM_FIELDS)),
        *("--price-unit", "minor", "--attributes", ""),
        once=True,
    )
    steps.verb("import", "users", str(shop / "users.jsonl"), "--map", "user_id=user_id", once=True)
    steps.verb("import", "events", str(shop / "events.parquet"), "--map", _same_names(EVENT_FIELDS), once=True)
    steps.verb("train", once=True)
    steps.verb("refresh", once=True)
    steps.timed("key", launching.ensure_key)
    steps.timed("inference", launching.start_inference)
    url = steps.timed("gateway", lambda: launching.start_gateway(port))
    launching.start_refresher()
    return url


def _same_names(fields: tuple[str, ...]) -> str:
    return ",".join(f"{field}={field}" for field in fields)


def _first_answers(home: Installation) -> dict[str, dict[str, object]]:
    """A known user's list and a new visitor's, as JSON; waits a little for the model and the snapshot to be loaded."""
    from evershelf.cli.gateway_client import ask

    give_up_at_s = time.monotonic() + ANSWER_TIMEOUT_S
    user = _known_user(home)
    while True:
        known = ask(home, "/v1/recommendations", {"placement": "home", "user_id": user})
        if known["source"] == "model" or time.monotonic() > give_up_at_s:
            break
        time.sleep(ANSWER_POLL_S)
    visitor = ask(home, "/v1/recommendations", {"placement": "home", "session_id": "first-visit"})
    return {user: known, "a new visitor": visitor}


def _known_user(home: Installation) -> str:
    # The generator writes buyers first, so the first user has a history.
    with (home.data_dir / "shop" / "users.jsonl").open() as users:
        return str(json.loads(users.readline())["user_id"])


def _start_web(launching: "Launch", url: str) -> str | None:
    shop = launching.home.data_dir / "shop"
    return start_web(launching, url, pictures_dir=shop / "pictures", shoppers=_known_shoppers(shop))


def _known_shoppers(shop: Path) -> str:
    """Users to shop as: some of each segment, as `id=segment, ...`; all of them have a history."""
    with (shop / "users.jsonl").open() as lines:
        users = [json.loads(line) for line in itertools.islice(lines, SHOPPERS_LOOKED_AT)]
    segments: dict[str, list[str]] = {}
    for user in users:
        segments.setdefault(str(user["attributes"].get("segment", "")), []).append(str(user["user_id"]))
    return ",".join(f"{user}={segment}" for segment, ids in segments.items() for user in ids[:SHOPPERS_PER_SEGMENT])


def _show(
    home: Installation,
    steps: Steps,
    answers: dict[str, dict[str, object]],
    *,
    urls: tuple[str, str | None],
    as_json: bool,
) -> None:
    url, web_url = urls
    if as_json:
        figures = {"total_s": steps.total_s, "steps_s": steps.elapsed_s}
        print_json(
            {
                "gateway": url,
                "web": web_url,
                "data_dir": str(home.data_dir),
                "pid": os.getpid(),
                **figures,
                "answers": answers,
            }
        )
        return
    for who, answer in answers.items():
        print_recommendation(answer, title=f"home for {who}")
        print_line("")
    print_line(f"Ready in {steps.total_s:.1f} s. The gateway serves at {url}, data in {home.data_dir}.")
    for line in (*web_lines(home, web_url), *_what_next(home, next(iter(answers)), url)):
        print_line(line)


def _what_next(home: Installation, user: str, url: str) -> tuple[str, ...]:
    services = json.loads(home.status_path.read_text())["services"]
    pid = next(service["pid"] for service in services if service["name"] == "inference")
    key = home.secrets_dir / "api_key"
    here = Path(sys.executable).with_name("evershelf")
    evershelf = "evershelf" if shutil.which("evershelf") == str(here) else here
    return (
        "Try next, in another terminal:",
        f'  curl -H "Authorization: Bearer $(cat {key})" "{url}/v1/recommendations?user_id={user}&placement=home"',
        f"  kill -9 {pid}    # the inference service; ask again at once: still a full list, and it says why",
        f"  {evershelf} recommend {user} --data-dir {home.data_dir}",
        f"  {evershelf} doctor --data-dir {home.data_dir}",
        "Ctrl-C stops everything.",
    )


def _database_mark() -> str:
    """Tells databases apart without keeping the URL: what was imported into one is not in another."""
    configured = settings().database_url
    if configured is None:
        return "embedded"
    return hashlib.sha256(configured.get_secret_value().encode()).hexdigest()[:16]
