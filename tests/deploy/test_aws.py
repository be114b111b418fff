"""The Terraform configuration is sound and keeps its assertions; `make aws-test` also applies and destroys it."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.skipif(shutil.which("terraform") is None, reason="no terraform on PATH")
@pytest.mark.timeout(600)
def test_the_configuration_keeps_its_assertions():
    # Promise: formatted, valid; encrypted, private, least privileged, with an alarm for each promise.
    done = subprocess.run([ROOT / "deploy" / "aws" / "check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    if "skipped" in done.stdout:
        pytest.skip(done.stdout.strip().splitlines()[-1])
    assert "0 failed" in done.stdout


def test_every_alarm_names_a_page_that_exists():
    # Promise: whoever is woken finds what to do.
    text = (ROOT / "deploy" / "aws" / "modules" / "monitoring" / "main.tf").read_text()
    pages = {line.split('runbook = "')[1].split('"')[0] for line in text.splitlines() if 'runbook = "' in line}
    assert len(pages) >= 8
    assert all((ROOT / "docs" / "runbooks" / f"{page}.md").is_file() for page in pages)
