"""Brings up an installation: database, schema, key, inference, gateway, refresher, in this order."""

import asyncio
import hmac
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPResponse
from pathlib import Path
from typing import cast

from evershelf.contracts.keys import Scope, StoredKey
from evershelf.policy.keys import key_digest, parse_key
from evershelf.storage.keys import create_key, list_keys, mint_key
from evershelf.storage.migrate import MigrationReport, migrate
from evershelf.storage.postgres import open_pool
from evershelf.supervision.installation import LOOPBACK, Installation, InstallationError, is_free
from evershelf.supervision.postgres import PostgresService
from evershelf.supervision.process import Command, Process
from evershelf.supervision.registry import registry_environment
from evershelf.supervision.settings import InstallationSettings, WebSettings
from evershelf.supervision.supervisor import POLL_INTERVAL_S, RestartPolicy, Supervisor
from evershelf.supervision.web import choose_port, find_build, find_node, web_command

GATEWAY_PORT_DEFAULT = 8080
READY_TIMEOUT_S = 120.0
PROBE_TIMEOUT_S = 1.0


@dataclass(frozen=True)
class OwnKey:
    """A key that the installation makes for one of its own parts: the secret it is kept as, its name, its scopes."""

    secret: str
    name: str
    scopes: tuple[Scope, ...]


OPERATOR_KEY = OwnKey("api_key", "this machine's command line", tuple(Scope))
SHOP_KEY = OwnKey("web_shop_key", "this machine's storefront", (Scope.RECOMMEND, Scope.EVENTS, Scope.CATALOG))
CONSOLE_KEY = OwnKey("web_admin_key", "this machine's console", (Scope.ADMIN,))


class ServiceFailedError(Exception):
    """A process ended, or was not ready in time, while the installation came up."""


@contextmanager
def launch(home: Installation, settings: InstallationSettings, on_event: Callable[[str], None]) -> Iterator["Launch"]:
    """Hold `home` for the time of the block; whatever was started in it is stopped at the end, in order.

    Raises AlreadyRunningError if another process holds it.
    """
    home.prepare()
    with home.hold():
        policy = RestartPolicy(settings.supervisor_restart_delay_min_s, settings.supervisor_restart_delay_max_s)
        supervisor = Supervisor(
            policy, status_path=home.status_path, grace_s=settings.supervisor_grace_s, on_event=on_event
        )
        try:
            yield Launch(home, settings, supervisor)
        finally:
            supervisor.stop()
            home.forget_secret("database_url")


class Launch:
    """The steps of coming up. Each waits until what it started is usable."""

    def __init__(self, home: Installation, settings: InstallationSettings, supervisor: Supervisor) -> None:
        self.home = home
        self.supervisor = supervisor
        self._settings = settings
        self._database_url = ""

    def start_database(self) -> str:
        """The URL of a reachable database: the configured one, else the embedded server, started now."""
        if self._settings.database_url is not None:
            self._database_url = self._settings.database_url.get_secret_value()
        else:
            service = PostgresService(self.home.postgres_dir)
            self.supervisor.start(service)
            self._database_url = service.wait_ready()
        self.home.keep_secret("database_url", self._database_url)
        return self._database_url

    def migrate(self) -> MigrationReport:
        """Bring the database to the schema that this version expects."""
        return asyncio.run(migrate(self._database_url))

    def ensure_key(self) -> str:
        """The installation's own API key; it and the web part's are made where the database knows none."""
        keys = asyncio.run(
            ensure_keys(self.home, self._database_url, self.key_secret(), (OPERATOR_KEY, SHOP_KEY, CONSOLE_KEY))
        )
        return keys[OPERATOR_KEY.secret]

    def key_secret(self) -> str:
        """The secret that keys are hashed with, in hex."""
        if self._settings.key_secret is not None:
            return self._settings.key_secret.get_secret_value()
        return self.home.secret("key_secret") or ""

    def start_inference(self) -> None:
        """Start the model server and wait until it is live; it may still be without a model."""
        port = self.home.port("inference")
        environment = {
            "EVERSHELF_INFERENCE_HOST": LOOPBACK,
            "EVERSHELF_INFERENCE_PORT": str(port),
            "EVERSHELF_INFERENCE_CACHE_DIR": str(self.home.inference_dir),
            **registry_environment(self.home),
        }
        command = Command("inference", (sys.executable, "-m", "evershelf.inference"), environment, port)
        self._start_and_wait(command, f"http://{LOOPBACK}:{port}/livez")

    def start_gateway(self, port: int | None) -> str:
        """Start the gateway on `port` (else the port of last time, else 8080) and return its URL once it is live."""
        port = port or self.home.ports().get("gateway", GATEWAY_PORT_DEFAULT)
        if not is_free(port):
            raise InstallationError(f"port {port} is taken: choose another with --port")
        self.home.remember_ports({"gateway": port})
        environment = {
            "EVERSHELF_GATEWAY_PORT": str(port),
            "EVERSHELF_GATEWAY_DATA_DIR": str(self.home.gateway_dir),
            "EVERSHELF_KEY_SECRET": self.key_secret(),
            "EVERSHELF_INFERENCE_URL": f"http://{LOOPBACK}:{self.home.ports()['inference']}",
            "EVERSHELF_DATABASE_URL": self._database_url,
            **registry_environment(self.home),
        }
        command = Command("gateway", (sys.executable, "-m", "evershelf.gateway"), environment, port)
        self._start_and_wait(command, f"http://{LOOPBACK}:{port}/livez")
        return f"http://{LOOPBACK}:{port}"

    def start_refresher(self) -> None:
        """Start the process that makes a new snapshot now and then."""
        every = f"{int(self._settings.supervisor_refresh_interval_s)}s"
        arguments = (sys.executable, "-m", "evershelf.cli", "refresh", "--every", every)
        environment = {"EVERSHELF_DATABASE_URL": self._database_url, **registry_environment(self.home)}
        self.supervisor.start(
            self._process(Command("refresher", (*arguments, "--data-dir", str(self.home.data_dir)), environment))
        )

    def start_shoppers(self) -> None:
        """Start the demo's simulated shoppers, who visit the gateway until the end."""
        arguments = (sys.executable, "-m", "evershelf.cli", "demo", "traffic", "--data-dir", str(self.home.data_dir))
        self.supervisor.start(self._process(Command("shoppers", arguments)))

    def start_web(self, gateway_url: str, *, pictures_dir: Path | None = None, shoppers: str | None = None) -> str:
        """Start storefront and console and return their URL. Raises NoWebError where that is impossible."""
        given = WebSettings()
        node, program = find_node(), find_build(given)
        found = {
            "web_gateway_url": gateway_url,
            **{name: self.home.secret(name) for name in ("web_shop_key", "web_admin_key")},
            **{name: self.home.secret(name) for name in ("web_password", "web_session_secret")},
            "web_data_dir": self.home.web_dir,
            "web_pictures_dir": pictures_dir,
            "web_shoppers": shoppers,
        }
        missing = {name: value for name, value in found.items() if getattr(given, name) is None}
        settings = WebSettings.model_validate({**given.model_dump(exclude_none=True), **missing})
        port = choose_port(self.home, settings)
        url = f"http://{settings.web_host}:{port}"
        self._start_and_wait(web_command(node, program, settings, port), f"{url}/healthz")
        return url

    def start_retrainer(self) -> None:
        """Start the process that trains now and then, if the setting asks for it."""
        interval_s = self._settings.supervisor_retrain_interval_s
        if interval_s is None:
            return
        arguments = (sys.executable, "-m", "evershelf.cli", "retrain", "--every", f"{int(interval_s)}s")
        environment = {"EVERSHELF_DATABASE_URL": self._database_url, **registry_environment(self.home)}
        self.supervisor.start(
            self._process(Command("retrainer", (*arguments, "--data-dir", str(self.home.data_dir)), environment))
        )

    def wait_for(self, process: Process, url: str) -> None:
        """Return once `url` answers 200. Raises ServiceFailedError, with the end of its log, if it cannot."""
        give_up_at_s = time.monotonic() + READY_TIMEOUT_S
        while not answers(url):
            if process.exit_code() is not None:
                log = self._log_path(process.name)
                raise ServiceFailedError(f"{process.name} did not start: {_last_line(log)} (log: {log})")
            if time.monotonic() > give_up_at_s:
                raise ServiceFailedError(
                    f"{process.name} gave no answer for {READY_TIMEOUT_S:.0f} s: see {self._log_path(process.name)}"
                )
            time.sleep(POLL_INTERVAL_S)

    def _start_and_wait(self, command: Command, url: str) -> None:
        process = self._process(command)
        self.supervisor.start(process)
        self.wait_for(process, url)

    def _process(self, command: Command) -> Process:
        size_max = self._settings.supervisor_log_size_max_bytes
        return Process(command, self._log_path(command.name), log_size_max_bytes=size_max)

    def _log_path(self, name: str) -> Path:
        return self.home.logs_dir / f"{name}.log"


async def ensure_keys(
    home: Installation, database_url: str, key_secret: str, wanted: Sequence[OwnKey]
) -> dict[str, str]:
    """The keys by the name of their secret; one that the database does not know is made anew and kept."""
    secret = bytes.fromhex(key_secret)
    found: dict[str, str] = {}
    pool = await open_pool(database_url, size_max=1)
    try:
        stored_keys = await list_keys(pool)
        for own in wanted:
            kept = home.secret(own.secret)
            if kept is None or not any(_is_same(kept, stored, secret) for stored in stored_keys):
                kept, stored = mint_key(secret, own.name, own.scopes)
                await create_key(pool, stored, actor="evershelf up")
                home.keep_secret(own.secret, kept)
            found[own.secret] = kept
    finally:
        await pool.close()
    return found


def _is_same(plain: str, stored: StoredKey, key_secret: bytes) -> bool:
    parsed = parse_key(plain)
    if parsed is None or parsed.key_id != stored.key_id or stored.revoked_at is not None:
        return False
    return hmac.compare_digest(key_digest(key_secret, parsed.secret_part), stored.digest)


def answers(url: str) -> bool:
    """Whether a GET of `url` on this machine is answered with a success."""
    try:
        with open_local(urllib.request.Request(url), timeout_s=PROBE_TIMEOUT_S) as reply:  # noqa: S310 - our own http URL
            return reply.status == 200
    except (urllib.error.URLError, OSError):
        return False


def open_local(request: urllib.request.Request, *, timeout_s: float) -> HTTPResponse:
    """Send a request to this machine, past any proxy that the environment names. Raises urllib's errors."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    return cast("HTTPResponse", opener.open(request, timeout=timeout_s))  # the http handler returns nothing else


def _last_line(log: Path) -> str:
    try:
        lines = log.read_text(errors="replace").split("\n")
    except OSError:
        return "no log"
    return next((line.strip() for line in reversed(lines) if line.strip()), "no word in its log")
