"""A small shop with everything around it, and a browser that walks through its pages."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from pydantic import SecretStr

from evershelf.supervision.installation import free_port
from evershelf.supervision.settings import WebSettings
from evershelf.supervision.web import NoWebError, find_build, find_node, web_command
from tests.e2e.rig import Rig

WEB = Path(__file__).resolve().parents[2] / "web"
# The newest part of the demo shop's half year: enough to learn from, quick to import and to train on.
EVENTS_KEPT = 50_000
PASSWORD = "a password of a test"
SESSION_SECRET = "5e" * 32
BROWSER_TIMEOUT_S = 800
LAST_LISTS_TIMEOUT_S = 30
SHOP_SCOPES = ("recommend", "events", "catalog")


@dataclass
class World:
    """All processes of one installation, the web part among them, each of which a test may kill and start."""

    rig: Rig
    web_port: int
    known_user: str
    shop_key: str
    admin_key: str

    @property
    def web_url(self) -> str:
        return f"http://127.0.0.1:{self.web_port}"

    def start_web(self) -> None:
        settings = WebSettings(
            web_gateway_url=self.rig.url,
            web_shop_key=SecretStr(self.shop_key),
            web_admin_key=SecretStr(self.admin_key),
            web_password=SecretStr(PASSWORD),
            web_session_secret=SecretStr(SESSION_SECRET),
            web_data_dir=self.rig.folder / "web",
            web_pictures_dir=self.rig.folder / "shop" / "pictures",
            web_shoppers=f"{self.known_user}=known",
        )
        command = web_command(find_node(), find_build(settings), settings, self.web_port)
        self.rig.start("web", command.arguments, f"{self.web_url}/healthz", command.environment)

    def walk(self, journey: str) -> None:
        """Lets the browser walk `web/tests/<journey>.spec.ts`; what it complains about fails the test."""
        node, gateway = find_node(), self.rig.children.get("gateway")
        environment = {
            **os.environ,
            "PATH": f"{node.parent}{os.pathsep}{os.environ['PATH']}",
            "EVERSHELF_TEST_WEB_URL": self.web_url,
            "EVERSHELF_TEST_GATEWAY_URL": self.rig.url,
            "EVERSHELF_TEST_KEY": self.shop_key,
            "EVERSHELF_TEST_GATEWAY_PID": str(gateway.pid) if gateway is not None else "",
            "EVERSHELF_TEST_PASSWORD": PASSWORD,
            "EVERSHELF_TEST_USER": self.known_user,
            "EVERSHELF_TEST_CHROMIUM": str(chromium()),
        }
        done = subprocess.run(
            [str(node), "node_modules/@playwright/test/cli.js", "test", f"{journey}.spec.ts"],
            cwd=WEB,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=BROWSER_TIMEOUT_S,
        )
        assert done.returncode == 0, done.stdout[-6_000:] + done.stderr[-2_000:]

    def await_last_lists(self) -> None:
        """Returns once the web process has written its last lists, the popular one among them."""
        until_s = time.monotonic() + LAST_LISTS_TIMEOUT_S
        path = self.rig.folder / "web" / "last.json"
        while not path.is_file() or '"popular"' not in path.read_text():
            assert time.monotonic() < until_s, "no last lists on disk"
            time.sleep(0.1)


def chromium() -> Path | None:
    found = shutil.which("chromium")
    return Path(found) if found else None


@pytest.fixture(scope="session")
def world() -> Iterator[World]:
    """A trained shop, served; skipped where there is no browser, no Node or no build."""
    if chromium() is None:
        pytest.skip("no Chromium here: `apt-get install chromium` brings one")
    try:
        find_node()
        find_build(WebSettings())
    except NoWebError as error:
        pytest.skip(str(error))
    folder = Path(tempfile.mkdtemp(prefix="evershelf-e2e-"))
    folder.chmod(0o755)
    rig = Rig(folder)
    try:
        user = make_shop(rig)
        rig.start_inference()
        rig.start_gateway()
        made = World(rig, free_port(), user, shop_key=make_key(rig, *SHOP_SCOPES), admin_key=make_key(rig, "admin"))
        made.start_web()
        yield made
    finally:
        rig.stop()
        shutil.rmtree(folder, ignore_errors=True)


def make_shop(rig: Rig) -> str:
    """PostgreSQL with the demo shop's newest events, two model versions, a snapshot; returns a well-known user."""
    shop = rig.folder / "shop"
    rig.start_postgres()
    rig.command("migrate")
    rig.command("demo", "data", "--out", str(shop))
    events = pq.read_table(shop / "events.parquet").sort_by("occurred_at")
    newest = events.slice(events.num_rows - EVENTS_KEPT)
    pq.write_table(newest, shop / "newest.parquet")
    items = same_names("item_id title categories price currency image_url available expires_at published_at tags")
    event_fields = same_names("event_id user_id session_id item_id event_type occurred_at value")
    rig.command("import", "items", str(shop / "items.jsonl"), "--map", items, "--price-unit", "minor")
    rig.command("import", "users", str(shop / "users.jsonl"), "--map", "user_id=user_id")
    rig.command("import", "events", str(shop / "newest.parquet"), "--map", event_fields)
    for _ in range(2):
        rig.command("train")
    rig.command("refresh")
    users = [user for user in newest["user_id"].to_pylist() if user is not None]
    return max(set(users), key=users.count)


def make_key(rig: Rig, *scopes: str) -> str:
    """A key of these scopes."""
    options = [part for scope in scopes for part in ("--scope", scope)]
    return str(rig.command("key", "create", f"web {scopes[0]}", *options)["key"])


def same_names(fields: str) -> str:
    """A map for a file whose columns have our own names."""
    return ",".join(f"{field}={field}" for field in fields.split())
