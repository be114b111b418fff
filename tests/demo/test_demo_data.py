"""The verb `demo data`: writes the shop, tells what it wrote, and refuses what it cannot read."""

import json

import typer
from typer.testing import CliRunner

from evershelf.cli.demo_data import demo_data


def _run(*arguments):
    app = typer.Typer()
    app.command()(demo_data)
    return CliRunner().invoke(app, list(arguments))


def test_json_tells_what_was_written(tmp_path):
    # Promise: the report on standard output is that of shop.json, nothing else stands there.
    result = _run("--out", str(tmp_path / "new"), "--seed", "3", "--until", "2026-02-03T04:00Z", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout) == json.loads((tmp_path / "new" / "shop.json").read_text())


def test_a_time_that_is_none_is_refused(tmp_path):
    # Promise: a clear message, exit code 2, nothing written.
    result = _run("--out", str(tmp_path / "new"), "--until", "tomorrow")
    assert result.exit_code == 2
    assert not (tmp_path / "new").exists()


def test_a_folder_that_cannot_be_is_told(tmp_path):
    # Promise: trouble with the disk is a sentence, no trace.
    (tmp_path / "file").write_text("")
    result = _run("--out", str(tmp_path / "file" / "new"))
    assert result.exit_code == 1
    assert "Cannot write" in result.output
