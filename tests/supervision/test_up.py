"""`evershelf up` as a whole: real processes, two installations beside each other."""

import itertools
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest

from evershelf.supervision.installation import free_port
from evershelf.supervision.settings import WebSettings
from evershelf.supervision.web import NoWebError, find_build, find_node

WAIT_S = 60.0


@contextmanager
def running(folder: Path, *more: str):
    """An `up` that serves; yields the process and what it printed."""
    arguments = ("up", "--data-dir", str(folder), "--port", str(free_port()), "--json", *more)
    with (folder.parent / f"{folder.name}.err").open("w") as errors:
        child = subprocess.Popen(
            [sys.executable, "-m", "evershelf.cli", *arguments], stdout=subprocess.PIPE, stderr=errors, text=True
        )
    with child:
        try:
            # It prints one JSON object once it serves; where it fails before, the output just ends.
            lines = list(itertools.takewhile(lambda line: line != "}\n", child.stdout))
            yield child, json.loads("".join(lines) + "}")
        finally:
            child.terminate()
            child.wait(WAIT_S)


def services(folder: Path) -> dict[str, dict[str, object]]:
    return {service["name"]: service for service in json.loads((folder / "status.json").read_text())["services"]}


def is_live(url: str) -> bool:
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(f"{url}/livez", timeout=10) as reply:
        return reply.status == 200


def is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def eventually(condition) -> bool:
    until_s = time.monotonic() + WAIT_S
    while not condition() and time.monotonic() < until_s:
        time.sleep(0.05)
    return condition()


def test_two_installations_run_side_by_side_heal_and_leave_nothing(open_tmp_path):
    # Promise: no shared port or file; what is killed comes back; SIGTERM and even SIGKILL leave no process behind.
    one, other = open_tmp_path / "one", open_tmp_path / "other"
    with running(one, "--no-web") as (first, told), running(other, "--no-web") as (second, told_too):
        assert is_live(told["gateway"])
        assert is_live(told_too["gateway"])
        ports = [service["port"] for folder in (one, other) for service in services(folder).values() if service["port"]]
        assert len(set(ports)) == len(ports) == 6
        for name in ("inference", "postgres"):
            killed = services(one)[name]["pid"]
            os.kill(killed, signal.SIGKILL)
            assert eventually(lambda name=name, killed=killed: services(one)[name]["pid"] not in {None, killed})
        pids = [service["pid"] for folder in (one, other) for service in services(folder).values()]
        second.send_signal(signal.SIGKILL)
        first.send_signal(signal.SIGTERM)
        assert first.wait(WAIT_S) == 0
        assert eventually(lambda: all(is_gone(pid) for pid in pids if pid))


def test_a_new_installation_has_a_snapshot_within_moments(open_tmp_path):
    # Promise: the refresher that `up` runs makes snapshots by itself, and goes on running.
    folder = open_tmp_path / "fresh"
    with running(folder, "--no-web"):
        assert eventually((folder / "registry" / "aliases" / "snapshots" / "current.json").exists)
        assert services(folder)["refresher"]["restarts"] == 0


def test_storefront_and_console_come_up_with_keys_of_their_own(open_tmp_path):
    # Promise: `up` starts the built web part on a port that is remembered; it has a shop and a console with a password.
    try:
        find_node()
        find_build(WebSettings())
    except NoWebError as error:
        pytest.skip(str(error))
    folder = open_tmp_path / "shop"
    with running(folder) as (_, told):
        port = services(folder)["web"]["port"]
        assert told["web"] == f"http://127.0.0.1:{port}"
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"{told['web']}/console", timeout=30) as login:
            assert b"Password" in login.read()
        secrets = {
            name: (folder / "secrets" / name).read_text() for name in ("web_shop_key", "web_admin_key", "api_key")
        }
        assert len(set(secrets.values())) == 3
