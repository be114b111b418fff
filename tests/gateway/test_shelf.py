"""The shelf: refuses a snapshot whose columns disagree, lays changes over it, and keeps its orders."""

from datetime import UTC, datetime
from math import inf

import numpy as np
import pytest
from safetensors.numpy import save_file

from evershelf.contracts.catalog import Item, ItemState
from evershelf.contracts.manifest import SNAPSHOT_NAME, SnapshotManifest
from evershelf.gateway import shelf as shelf_module
from evershelf.gateway.shelf import changed, load_shelf
from evershelf.registry.artifact import ArtifactRefused

NOW = datetime(2024, 5, 1, tzinfo=UTC)
NOW_S = NOW.timestamp()
MANIFEST = SnapshotManifest(version="v1", created_at=NOW, code_version="0", items=3, catalog_sequence=7, files=())


def texts(name: str, values: list[str]) -> dict[str, np.ndarray]:
    encoded = [value.encode() for value in values]
    offsets = np.cumsum([0, *map(len, encoded)])
    return {name: np.frombuffer(b"".join(encoded), np.uint8), f"{name}_offsets": offsets.astype(np.uint32)}


def rows(name: str, values: list[list[int]]) -> dict[str, np.ndarray]:
    bounds = np.cumsum([0, *map(len, values)])
    joined = [index for row in values for index in row]
    return {f"{name}_indptr": bounds.astype(np.uint32), f"{name}_indices": np.array(joined, np.uint32)}


def columns() -> dict[str, np.ndarray]:
    """Three items: `cup` in b/mugs and a, `pot` in a, `tin` in none, gone and soon to expire."""
    return {
        **texts("item_ids", ["cup", "pot", "tin"]),
        **texts("item_json", ['{"item_id":"cup"}', '{"item_id":"pot"}', '{"item_id":"tin"}']),
        "available": np.array([1, 1, 0], np.uint8),
        "expires_at": np.array([0, int(NOW_S) + 10, 0], np.int64),
        **texts("categories", ["a", "b", "b/mugs"]),
        **rows("item_categories", [[2, 0, 1], [0], []]),
        "popular_indices": np.array([1, 0], np.uint32),
        "popular_scores": np.array([1.0, 0.5], np.float32),
        **rows("category_popular", [[1, 0], [0], [0]]),
        "category_popular_scores": np.array([1.0, 0.5, 0.5, 0.5], np.float32),
        **rows("related", [[1], [0, 2], []]),
        "related_scores": np.array([1.0, 0.5, 0.25], np.float32),
        "static_indices": np.array([0, 1, 2], np.uint32),
    }


@pytest.fixture
def load(tmp_path):
    def load_with(**other):
        arrays = {name: array for name, array in (columns() | other).items() if array is not None}
        save_file(arrays, tmp_path / SNAPSHOT_NAME)
        return load_shelf(tmp_path, MANIFEST)

    return load_with


def state(item_id: str, *, suppressed: bool = False, deleted: bool = False, **fields) -> ItemState:
    item = Item(item_id=item_id, **fields)
    return ItemState(item=item, suppressed=suppressed, deleted=deleted, change_sequence=8, updated_at=NOW)


def test_a_sound_snapshot_answers_the_ladder(load):
    # Promise: what the columns say is what the ladder reads, best first.
    shelf = load()
    assert [item_id for item_id, _ in shelf.popular()] == ["pot", "cup"]
    assert list(shelf.related("pot").items()) == [("cup", 0.5), ("tin", 0.25)]
    assert [item_id for item_id, _ in shelf.popular_in("a")] == ["pot", "cup"]
    assert [item_id for item_id, _ in shelf.static()] == ["cup", "pot", "tin"]
    assert (shelf.related("unheard-of"), shelf.popular_in("unheard-of")) == ({}, ())
    assert shelf.body("cup") == b'{"item_id":"cup"}'
    assert [shelf.eligible(each, NOW_S) for each in ("cup", "pot", "tin", "unheard-of")] == [True, True, False, False]
    assert not shelf.eligible("pot", NOW_S + 10)


DISAGREEING = {
    "one availability too few": {"available": np.array([1, 1], np.uint8)},
    "one expiry too many": {"expires_at": np.zeros(4, np.int64)},
    "a popular item that is not there": {"popular_indices": np.array([1, 3], np.uint32)},
    "a popular item before the first": {"popular_indices": np.array([1, -1], np.int64)},
    "a popular item without a score": {"popular_scores": np.array([1.0], np.float32)},
    "a static item that is not there": {"static_indices": np.array([3], np.uint32)},
    "a related item that is not there": {"related_indices": np.array([1, 0, 3], np.uint32)},
    "a related item without a score": {"related_scores": np.array([1.0], np.float32)},
    "related rows that fall": {"related_indptr": np.array([0, 3, 1, 3], np.uint32)},
    "related rows that begin late": {"related_indptr": np.array([1, 1, 3, 3], np.uint32)},
    "a category's item that is not there": {"category_popular_indices": np.array([1, 0, 9, 0], np.uint32)},
    "an item's category that is not there": {"item_categories_indices": np.array([2, 0, 9, 0], np.uint32)},
    "bodies cut short": {"item_json": np.frombuffer(b"{}", np.uint8)},
    "bodies in the wrong order": {"item_json_offsets": np.array([0, 34, 17, 51], np.uint32)},
    "ids that are no text": {"item_ids": np.frombuffer(b"\xff" * 9, np.uint8)},
    "an id column cut short": {"item_ids": np.frombuffer(b"cup", np.uint8)},
    "no bounds at all": {"categories_offsets": np.array([], np.uint32)},
    "a missing column": {"related_scores": None},
    "scores that are whole numbers": {"popular_scores": np.array([1, 1], np.int32)},
}


@pytest.mark.parametrize("other", DISAGREEING.values(), ids=DISAGREEING)
def test_columns_that_disagree_are_refused(load, other):
    # Promise: a snapshot is found wanting when it is loaded, never by a request.
    with pytest.raises(ArtifactRefused):
        load(**other)


def test_changes_overlay_the_snapshot(load):
    # Promise: a change hides, shows, renames or expires an item at once, and a new item is known.
    states = [state("cup", suppressed=True), state("pot", title="New", expires_at=datetime(2024, 4, 1, tzinfo=UTC))]
    states += [state("tin", title="Back"), state("jug"), state("urn", deleted=True), state("vat", available=False)]
    shelf = load().with_changes({each.item.item_id: changed(each) for each in states})
    eligible = {each: shelf.eligible(each, NOW_S) for each in ("cup", "pot", "tin", "jug", "urn", "vat")}
    assert eligible == {"cup": False, "pot": False, "tin": True, "jug": True, "urn": False, "vat": False}
    assert shelf.knows("jug")
    assert Item.model_validate_json(shelf.body("tin")).title == "Back"
    assert Item.model_validate_json(shelf.body("jug")).item_id == "jug"


def test_a_shelf_in_use_stays_as_it_is(load):
    # Promise: an answer under way keeps the catalog it began with, also when an item of it is taken away meanwhile.
    held = load().with_changes({"jug": changed(state("jug"))})
    later = held.with_changes({"jug": changed(state("jug", deleted=True))})
    assert held.eligible("jug", NOW_S)
    assert held.body("jug")
    assert not later.eligible("jug", NOW_S)


def test_an_end_hides_and_never_shows(load):
    # Promise (G4, G7): the earlier of the snapshot's expiry and a later word counts; taken back, the snapshot's does.
    shelf = load()
    ends = {"cup": NOW_S + 5, "pot": NOW_S + 20, "tin": inf, "unheard-of": inf}
    other = shelf.with_changes({}, ends)
    assert [other.expires_at_s(each) for each in ("cup", "pot")] == [NOW_S + 5, NOW_S + 10]
    assert [other.eligible(each, NOW_S + 5) for each in ends] == [False, True, False, False]
    hidden = other.with_changes({}, {"cup": -inf})
    assert [hidden.open(each) for each in ("cup", "pot", "tin")] == [False, True, False]
    assert (list(hidden.everything(None)), list(hidden.everything("a", NOW_S + 10))) == (["pot"], [])
    back = hidden.with_changes({}, {"cup": inf})
    assert (back.eligible("cup", NOW_S + 50), back.expires_at_s("cup"), hidden.eligible("cup", NOW_S)) == (
        True,
        0,
        False,
    )


def test_changes_come_on_top_of_changes(load):
    # Promise: each piece of news says only what is new; one that is taken back leaves the snapshot's word.
    first = load().with_changes({each: changed(state(each)) for each in ("zip", "jug", "tin")})
    second = first.with_changes({"jug": changed(state("jug", deleted=True)), "tin": None, "ax": changed(state("ax"))})
    assert [second.eligible(each, NOW_S) for each in ("zip", "jug", "tin", "ax")] == [True, False, False, True]
    assert list(second.everything(None)) == ["cup", "pot", "ax", "zip"]
    assert list(first.everything(None)) == ["cup", "pot", "jug", "tin", "zip"]


def test_everything_has_a_fixed_order(load):
    # Promise: snapshot first, then what came since by id, nothing that is unavailable; of a category only its members.
    shelf = load().with_changes({each: changed(state(each)) for each in ("zip", "jug", "cup")})
    assert list(shelf.everything(None)) == ["cup", "pot", "cup", "jug", "zip"]
    assert list(shelf.everything("b/mugs")) == ["cup"]
    assert list(shelf.everything("unheard-of")) == []


def test_categories_begin_with_the_first_path(load):
    # Promise: an item's first path stands first, however it sorts; all prefixes are among them.
    shelf = load().with_changes({"jug": changed(state("jug", categories=("z/y/x", "a/b")))})
    assert list(shelf.categories_of("cup")) == ["b/mugs", "a", "b"]
    assert list(shelf.categories_of("jug")) == ["z/y/x", "a/b", "z", "z/y", "a"]
    assert list(shelf.categories_of("unheard-of")) == []


def test_what_was_made_is_kept_for_the_snapshot_and_bounded(load, monkeypatch):
    # Promise: the same list for the same key, under changes too; the one that was not asked for longest makes room.
    monkeypatch.setattr(shelf_module, "KEPT_LISTS_MAX", 2)
    shelf, made = load(), []

    def make(key: str):
        return lambda: made.append(key) or [(key, 1.0)]

    for key in ("a", "b", "a", "c"):
        assert shelf.with_changes({}).kept(key, make(key)) == [(key, 1.0)]
    assert made == ["a", "b", "c"]
    for key in ("a", "b"):
        shelf.kept(key, make(key))
    assert made == ["a", "b", "c", "b"]
