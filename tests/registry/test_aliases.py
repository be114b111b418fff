"""The alias' promise: it moves only from where the mover saw it, and every move stays on record."""

import multiprocessing

import pytest

from evershelf.registry.aliases import AliasConflict, AliasFolder
from evershelf.registry.artifact import ArtifactRefused
from evershelf.registry.store import DirectoryRegistry, promote, roll_back
from tests.inference.fake_model import model_folder

MOVE = {"moved_by": "test", "reason": "because"}


@pytest.fixture
def registry(tmp_path):
    registry = DirectoryRegistry(tmp_path / "registry")
    for version in ("m1", "m2", "m3"):
        registry.publish("models", model_folder(tmp_path / version, version), tmp_path / version)
    return registry


def test_an_alias_that_was_never_set_points_nowhere(registry):
    assert registry.read_alias("models", "champion") is None
    assert registry.alias_history("models", "champion") == ()


def test_a_move_must_name_the_sequence_that_it_replaces(registry):
    first = registry.move_alias("models", "champion", "m1", expected_sequence=None, **MOVE)
    assert (first.version, first.sequence) == ("m1", 1)
    for stale in (None, 0, 2):
        with pytest.raises(AliasConflict):
            registry.move_alias("models", "champion", "m2", expected_sequence=stale, **MOVE)
    assert registry.move_alias("models", "champion", "m2", expected_sequence=1, **MOVE).sequence == 2


def test_an_alias_never_points_at_a_version_that_does_not_exist(registry):
    with pytest.raises(ArtifactRefused):
        registry.move_alias("models", "champion", "m9", expected_sequence=None, **MOVE)
    assert registry.read_alias("models", "champion") is None


def test_a_rollback_brings_the_former_champion_back_and_is_on_record(registry):
    promote(registry, "m1", **MOVE)
    promote(registry, "m2", **MOVE)
    assert registry.read_alias("models", "previous").version == "m1"
    assert roll_back(registry, moved_by="oncall", reason="clicks fell").version == "m1"
    assert registry.read_alias("models", "previous").version == "m2"
    history = registry.alias_history("models", "champion")
    assert [move.version for move in history] == ["m1", "m2", "m1"]
    assert [move.sequence for move in history] == [1, 2, 3]
    assert history[-1].reason == "clicks fell"


def test_promoting_the_champion_again_keeps_the_way_back(registry):
    for version in ("m1", "m2", "m2"):
        promote(registry, version, **MOVE)
    assert registry.read_alias("models", "previous").version == "m1"


def test_without_a_previous_champion_there_is_nothing_to_roll_back_to(registry):
    promote(registry, "m1", **MOVE)
    with pytest.raises(AliasConflict, match="no previous"):
        roll_back(registry, **MOVE)


def test_a_move_that_crashed_before_it_was_recorded_is_on_record_all_the_same(registry, tmp_path):
    promote(registry, "m1", **MOVE)
    history = tmp_path / "registry" / "aliases" / "models" / "champion.history.jsonl"
    promote(registry, "m2", **MOVE)
    history.write_bytes(history.read_bytes()[:-40])  # the last line was cut short
    assert [move.version for move in registry.alias_history("models", "champion")] == ["m1", "m2"]
    promote(registry, "m3", **MOVE)
    assert [move.version for move in registry.alias_history("models", "champion")] == ["m1", "m2", "m3"]


def test_a_pointer_that_is_not_one_is_refused_and_not_taken_for_unset(registry, tmp_path):
    promote(registry, "m1", **MOVE)
    (tmp_path / "registry" / "aliases" / "models" / "champion.json").write_bytes(b"")
    with pytest.raises(ArtifactRefused):
        registry.read_alias("models", "champion")


def _race(root, version, results):
    try:
        DirectoryRegistry(root).move_alias("models", "champion", version, expected_sequence=1, **MOVE)
    except AliasConflict:
        results.put("conflict")
    else:
        results.put(version)


def test_of_several_processes_that_move_at_once_exactly_one_succeeds(registry, tmp_path):
    promote(registry, "m1", **MOVE)
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    racers = [context.Process(target=_race, args=(tmp_path / "registry", version, results)) for version in ("m2", "m3")]
    for racer in racers:
        racer.start()
    answers = sorted(results.get(timeout=30) for _ in racers)
    for racer in racers:
        racer.join()
    assert answers[0] == "conflict"
    assert registry.read_alias("models", "champion").version == answers[1]


def test_the_history_is_bounded_by_setting_the_old_half_aside(tmp_path):
    aliases = AliasFolder(tmp_path / "aliases", history_size_bytes_max=300)
    with aliases.lock():
        for turn in range(12):
            aliases.move("champion", f"m{turn}", expected_sequence=turn or None, **MOVE)
    assert sum(path.stat().st_size for path in (tmp_path / "aliases").glob("champion.history*")) < 4 * 300
    sequences = [move.sequence for move in aliases.history("champion")]
    assert sequences == list(range(sequences[0], 13))
