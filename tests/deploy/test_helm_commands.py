"""What the chart's pods are told to run, run by their rendered commands and environments on a real PostgreSQL."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.deploy.rendered_chart import ON_A_VOLUME, ROOT, VENV, container_of, find, needs_helm

PATIENCE_S = 100


@pytest.fixture
def told(tmp_path, empty_database_url):
    """The environment of a pod: its rendered one, Secrets as make-secrets makes them, the image's folders."""
    file = tmp_path / "secrets.env"
    subprocess.run([ROOT / "deploy" / "compose" / "make-secrets", file], check=True, capture_output=True)
    kept = dict(line.split("=", 1) for line in file.read_text().splitlines())
    kept["EVERSHELF_DATABASE_URL"] = empty_database_url

    def environment(name: str) -> dict[str, str]:
        image = {
            "PATH": f"{VENV / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "EVERSHELF_REGISTRY": str(tmp_path / "registry"),
            "EVERSHELF_DATA_DIR": str(tmp_path / name),
            "NUMBA_CACHE_DIR": str(tmp_path / "compiled"),
        }
        for each in container_of(name, *ON_A_VOLUME)["env"]:
            image[each["name"]] = each.get("value") or kept[each["valueFrom"]["secretKeyRef"]["key"]]
        return image

    return environment


def run(name: str, environment: dict[str, str], folder: Path, *words: str) -> subprocess.CompletedProcess:
    """The pod's process; the image's entry point is `evershelf`."""
    container = container_of(name, *ON_A_VOLUME)
    command = [*container.get("command", ["evershelf"]), *(words or container["args"])]
    return subprocess.run(
        command, env=environment, cwd=folder, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )


@needs_helm
@pytest.mark.timeout(400)
def test_migration_and_schedule_do_their_work(told, tmp_path):
    # Promise: on an empty database the hook makes schema and keys, also twice; scheduled commands end as they should.
    for _ in range(2):
        done = run("migrate", told("migrate"), tmp_path)
        assert done.returncode == 0, done.stderr
    keys = run("retrain", told("retrain"), tmp_path, "key", "list")
    assert all(name in keys.stdout for name in ("operator", "storefront", "console")), keys.stderr
    for name in ("refresh", "retention"):
        done = run(name, told(name), tmp_path)
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "registry").is_dir()
    # No events yet, so nothing to learn from: the schedule does not start it again.
    done = run("retrain", told("retrain"), tmp_path)
    policy = find("CronJob", "retrain")["spec"]["jobTemplate"]["spec"]["podFailurePolicy"]
    assert done.returncode in policy["rules"][0]["onExitCodes"]["values"], done.stdout + done.stderr
