"""The verbs `models`: what an operator sees and may do to the versions that serve."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from evershelf.cli.models import models_app
from evershelf.registry.store import DirectoryRegistry
from tests.inference.fake_model import flip_byte, model_folder, publish_champion


@pytest.fixture
def registry(tmp_path):
    registry = publish_champion(tmp_path / "registry", "m1")
    registry.publish("models", model_folder(tmp_path / "made-m2", "m2"), tmp_path / "made-m2")
    return registry


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.delenv("EVERSHELF_REGISTRY", raising=False)
    return lambda *words: CliRunner().invoke(models_app, [*words, "--data-dir", str(tmp_path)])


@pytest.mark.usefixtures("registry")
def test_list_tells_every_version_and_the_aliases_that_name_it(run):
    rows = json.loads(run("list", "--json").stdout)
    assert [(row["version"], row["aliases"]) for row in rows] == [("m1", ["champion"]), ("m2", [])]
    assert rows[0]["metrics"] == {"ndcg_at_20": 0.1}
    assert "champion" in run("list").stdout


def test_an_empty_registry_is_no_error(run):
    assert json.loads(run("list", "--json").stdout) == []
    assert "train" in run("list").stdout


def test_a_version_that_the_gate_stops_is_not_promoted_unless_forced(registry, run, tmp_path):
    ids = ("a", "b", "c", "d")
    empty = {"rows.weights": np.zeros(4, np.float32)}
    made = model_folder(tmp_path / "made-m3", "m3", tensors=empty, ids=ids)
    registry.publish("models", made, tmp_path / "made-m3")
    held = run("promote", "m3")
    assert (held.exit_code, held.stderr.partition(":")[0]) == (3, "ranks")
    assert registry.read_alias("models", "champion").version == "m1"
    assert run("check", "m3").exit_code == 3
    assert run("check", "m2").exit_code == 0
    assert "forced past the gate" in json.loads(run("promote", "m3", "--force", "--json").stdout)["reason"]


def test_promote_moves_the_champion_and_rollback_brings_it_back(registry, run):
    assert json.loads(run("promote", "m2", "--json").stdout)["version"] == "m2"
    assert registry.read_alias("models", "previous").version == "m1"
    moved = json.loads(run("rollback", "--reason", "clicks fell", "--json").stdout)
    assert (moved["version"], moved["reason"]) == ("m1", "clicks fell")


def test_a_version_whose_bytes_changed_is_not_promoted(registry, run):
    flip_byte(registry.path("models", "m2") / "items.json")
    answer = run("promote", "m2")
    assert answer.exit_code == 1
    assert "hash" in answer.stderr
    assert registry.read_alias("models", "champion").version == "m1"


@pytest.mark.parametrize("words", [("promote", "m9"), ("promote", "../m1"), ("rollback",)])
@pytest.mark.usefixtures("registry")
def test_what_cannot_be_done_is_told_in_one_line(run, words):
    answer = run(*words)
    assert answer.exit_code == 1
    assert len(answer.stderr.strip().splitlines()) == 1


@pytest.mark.usefixtures("registry")
def test_the_registry_may_be_named_by_the_setting(tmp_path, monkeypatch):
    monkeypatch.setenv("EVERSHELF_REGISTRY", str(tmp_path / "registry"))
    answer = CliRunner().invoke(models_app, ["list", "--json"])
    assert len(json.loads(answer.stdout)) == len(DirectoryRegistry(tmp_path / "registry").versions("models")) == 2


def test_a_version_that_no_gate_has_seen_is_tried_on_no_user(registry, run, tmp_path):
    # Promise: an empty checklist passes nobody; copies of requests are harmless.
    made = model_folder(tmp_path / "made-m4", "m4").model_copy(update={"gate": ()})
    registry.publish("models", made, tmp_path / "made-m4")
    held = run("canary", "start", "m4")
    assert (held.exit_code, "never asked" in held.stderr) == (3, True)
    assert [row["gate_passed"] for row in json.loads(run("list", "--json").stdout)] == [True, True, False]
    assert run("canary", "start", "m4", "--shadow-only").exit_code == 0
