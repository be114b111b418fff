"""The command line: quick, clear about failures, and the same answers for programs."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from evershelf.supervision.installation import Installation

TIMEOUT_S = 60


def evershelf(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "evershelf.cli", *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


def is_one_line(text: str) -> bool:
    return len(text.strip().splitlines()) == 1 and text.startswith("evershelf: ")


def test_help_imports_nothing_heavy():
    # Promise: `evershelf --help` stays quick, because verbs import what they need only when they run.
    program = "import sys, evershelf.cli.main; print([m for m in sys.argv[1:] if m in sys.modules])"
    heavy = ["numpy", "pyarrow", "asyncpg", "fastapi", "sqlalchemy", "aiohttp", "pydantic_settings", "rich.console"]
    done = subprocess.run([sys.executable, "-c", program, *heavy], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["recommend", "anna"], "nothing runs in"),
        (["up"], "cannot use"),
        (["migrate"], "cannot use"),
        (["demo", "--exit-after-first"], "cannot use"),
    ],
)
def test_an_expected_failure_is_one_clear_line(tmp_path, arguments, says):
    # Promise: no traceback, exit code 1, and what to do about it.
    (tmp_path / "file").write_text("")
    done = evershelf(*arguments, "--data-dir", str(tmp_path / "file"))
    assert done.returncode == 1
    assert is_one_line(done.stderr), done.stderr
    assert says in done.stderr
    assert "--data-dir" in done.stderr


def test_wrong_usage_has_its_own_exit_code():
    # Promise: a verb or option that does not exist is usage, code 2.
    assert evershelf("recomend").returncode == 2
    assert evershelf("up", "--port", "no-number").returncode == 2
    assert evershelf("key", "create", "x", "--scope", "everything").returncode == 2


def test_an_impossible_setting_is_named():
    # Promise: a setting out of its range is one line that names the variable.
    done = evershelf("doctor", EVERSHELF_SUPERVISOR_GRACE_S="-1")
    assert done.returncode == 2
    assert is_one_line(done.stderr)
    assert "EVERSHELF_SUPERVISOR_GRACE_S" in done.stderr


def test_a_second_up_on_the_same_folder_is_told_so(tmp_path):
    # Promise: one supervisor an installation.
    home = Installation(tmp_path)
    home.prepare()
    with home.hold():
        done = evershelf("up", "--data-dir", str(tmp_path))
    assert done.returncode == 1
    assert is_one_line(done.stderr)
    assert "already running" in done.stderr


def test_config_masks_secrets_and_tells_origins(tmp_path):
    # Promise: every setting with value and origin; a secret is never printed.
    file = tmp_path / "evershelf.toml"
    file.write_text("gateway_port = 9999\n")
    secret = "ab" * 32
    done = evershelf("config", "show", "--json", EVERSHELF_KEY_SECRET=secret, EVERSHELF_CONFIG=str(file))
    shown = {line["variable"]: line for line in json.loads(done.stdout) if line["part"] == "gateway"}
    assert secret not in done.stdout
    assert shown["EVERSHELF_KEY_SECRET"]["origin"] == "environment"
    assert shown["EVERSHELF_GATEWAY_PORT"] | {"value": "9999", "origin": "file"} == shown["EVERSHELF_GATEWAY_PORT"]
    assert shown["EVERSHELF_GATEWAY_HOST"]["origin"] == "default"


def test_doctor_says_how_to_mend_what_is_red(tmp_path):
    # Promise: each red finding has a remedy, and the exit code tells.
    done = evershelf("doctor", "--json", "--data-dir", str(tmp_path / "nothing"))
    findings = json.loads(done.stdout)
    red = [finding for finding in findings if not finding["in_order"]]
    assert done.returncode == 1
    assert red
    assert all(finding["remedy"] for finding in red)
    assert not Path(tmp_path / "nothing").exists()
