"""Training and refreshing against a real PostgreSQL and a real registry."""

import asyncio
import uuid
from datetime import timedelta
from itertools import pairwise

import numpy as np
import orjson
import pytest

from evershelf.contracts.catalog import Item
from evershelf.gateway.shelf import changed, load_shelf
from evershelf.registry.store import promote
from evershelf.registry.tensors import open_tensors
from evershelf.storage.catalog import changes_since, delete_item, suppress_item, upsert_items
from evershelf.storage.events import store_events
from evershelf.training.extract import extract
from evershelf.training.package import recipe_of
from evershelf.training.pipeline import evaluate, train
from evershelf.training.snapshot import refresh
from evershelf.training.validate import DataRefusedError


async def test_extraction_equals_the_events_and_stops_at_its_instant(filled_database_url, taste):
    """Promise: arrays in the one order whatever order the rows came in, and nothing from as_of on."""
    whole = taste.training_data(taste.events())
    found = await extract(filled_database_url, as_of=whole.as_of, timeout_s=30)
    assert found.item_ids == whole.item_ids
    np.testing.assert_array_equal(found.interactions.items, whole.interactions.items)
    np.testing.assert_allclose(found.interactions.days, whole.interactions.days, atol=1e-8)
    half = await extract(filled_database_url, as_of=taste.BEGIN + timedelta(days=30), timeout_s=30)
    assert 0 < len(half.interactions) < len(whole.interactions)
    assert half.interactions.days.max() < taste.BEGIN.timestamp() / 86_400 + 30


async def test_events_of_unknown_items_are_counted_and_left_out(filled_database_url, pool, taste):
    """Promise: a model speaks only of items that the catalog has."""
    await delete_item(pool, "i003", actor="test")
    as_of = taste.BEGIN + timedelta(days=61)
    found = await extract(filled_database_url, as_of=as_of, timeout_s=30)
    deleted = sum(row[1] == "i003" for row in taste.events())
    assert found.unknown_item_events == deleted > 0
    assert len(found.interactions) == len(taste.events()) - deleted
    assert "i003" not in found.item_ids


async def test_a_model_that_beats_popularity_becomes_champion(filled_database_url, registry, quick_settings):
    """Promise: published with its figures, verified by hash, and serving; the same data give the same bytes."""
    outcome = await asyncio.to_thread(train, filled_database_url, registry, quick_settings)
    again = await asyncio.to_thread(train, filled_database_url, registry, quick_settings)
    assert outcome.promoted
    assert registry.read_alias("models", "champion").version == again.manifest.version
    assert [file.sha256 for file in outcome.manifest.files] == [file.sha256 for file in again.manifest.files]
    assert outcome.manifest.data.sha256 == again.manifest.data.sha256
    assert outcome.manifest.metrics["ndcg_at_20"] > outcome.manifest.metrics["popularity_ndcg_at_20"]
    measured, version = await asyncio.to_thread(evaluate, filled_database_url, registry, quick_settings)
    assert version == again.manifest.version
    kept = {name: value for name, value in again.manifest.metrics.items() if name in measured.metrics()}
    assert measured.metrics() == pytest.approx(kept)
    assert again.manifest.metrics["gain_over_champion"] == 0.0  # the same recipe on the same users
    assert recipe_of(again.manifest) == recipe_of(outcome.manifest)


async def test_a_session_joins_its_user_once_it_is_known(filled_database_url, pool, taste):
    """Promise: anonymous events of a session count for the one user it turned out to be, nobody if there are two."""
    who = (("u000", "s-one"), (None, "s-one"), (None, "s-two"), ("u000", "s-two"), ("u001", "s-two"), (None, "s-none"))
    events = [
        event.model_copy(update={"user_id": user, "session_id": session, "event_id": uuid.uuid4()})
        for event, (user, session) in zip(taste.wire_events(taste.events()), who, strict=False)
    ]
    before = await extract(filled_database_url, as_of=taste.BEGIN + timedelta(days=61), timeout_s=30)
    await store_events(pool, events)
    found = await extract(filled_database_url, as_of=taste.BEGIN + timedelta(days=61), timeout_s=30)
    # Sorted by the letter of their kind: sessions "s..." come before users "u...".
    grown = np.bincount(found.interactions.users)
    assert grown[:2].tolist() == [1, 1]
    assert (grown[2:4] - np.bincount(before.interactions.users)[:2]).tolist() == [3, 1]


async def test_a_database_without_events_is_refused_with_its_reason(database_url, registry, quick_settings):
    """Promise: no data, no model, and the operator reads why."""
    with pytest.raises(DataRefusedError, match="at least 1000 are needed"):
        await asyncio.to_thread(train, database_url, registry, quick_settings)
    assert registry.versions("models") == ()


def _texts(tensors, name):
    offsets, data = tensors.integers(f"{name}_offsets"), bytes(tensors.integers(name))
    return [data[begin:end].decode() for begin, end in pairwise(offsets)]


async def test_the_snapshot_holds_the_whole_shelf(filled_database_url, pool, registry):
    """Promise: readable without numpy; all but deleted and suppressed items; lists padded, sorted, in range."""
    await upsert_items(
        pool, [Item(item_id="new", title="Bücher", categories=("a/b/c",)), Item(item_id="off", available=False)]
    )
    await delete_item(pool, "i000", actor="test")
    await suppress_item(pool, "i001", actor="test", reason="test")
    manifest = await asyncio.to_thread(refresh, filled_database_url, registry)
    assert registry.read_alias("snapshots", "current").version == manifest.version
    tensors = open_tensors(registry.path("snapshots", manifest.version) / "snapshot.safetensors")
    ids = _texts(tensors, "item_ids")
    assert ids == sorted(ids)
    assert len(ids) == manifest.items == 90
    assert not {"i000", "i001"} & set(ids)
    assert orjson.loads(_texts(tensors, "item_json")[ids.index("new")]) == {
        "item_id": "new",
        "title": "Bücher",
        "categories": ["a/b/c"],
    }
    assert _texts(tensors, "categories")[:3] == ["a", "a/b", "a/b/c"]
    popular, scores = list(tensors.integers("popular_indices")), list(tensors.floats("popular_scores"))
    assert sorted(popular) == list(range(90))
    assert scores == sorted(scores, reverse=True)
    assert scores[0] == 1.0
    assert ids[popular[-1]] == "off"
    assert int(tensors.metadata["catalog_sequence"]) == manifest.catalog_sequence


async def test_related_items_come_from_the_champion_else_from_what_is_known(
    filled_database_url, pool, registry, quick_settings, taste
):
    """Promise: every item in a category with others has related items, mostly of its own group, never itself."""
    await upsert_items(pool, [Item(item_id="unseen", categories=("shop/group2",))])
    for trained in (False, True):
        if trained:
            await asyncio.to_thread(train, filled_database_url, registry, quick_settings)
        manifest = await asyncio.to_thread(refresh, filled_database_url, registry)
        tensors = open_tensors(registry.path("snapshots", manifest.version) / "snapshot.safetensors")
        bounds, related = tensors.integers("related_indptr"), tensors.integers("related_indices")
        rows = [list(related[bounds[n] : bounds[n + 1]]) for n in range(manifest.items)]
        assert all(rows)
        assert all(n not in row for n, row in enumerate(rows))
        own = [row[0] // taste.ITEMS_A_GROUP == n // taste.ITEMS_A_GROUP for n, row in enumerate(rows[:90])]
        assert np.mean(own) > 0.9
        assert {row // taste.ITEMS_A_GROUP for row in rows[90]} == {2}


async def test_an_empty_catalog_makes_an_empty_snapshot(database_url, registry):
    """Promise: a new installation has a snapshot before it has items."""
    assert (await asyncio.to_thread(refresh, database_url, registry)).items == 0


async def test_an_items_first_category_is_the_one_its_owner_named_first(pool, database_url, registry):
    """Promise: the category that stands for an item is the same in a snapshot as after a change: its first path."""
    item = Item(item_id="mug", categories=("home/kitchen/mugs", "gifts"))
    await upsert_items(pool, [item])
    manifest = await asyncio.to_thread(refresh, database_url, registry)
    shelf = load_shelf(registry.path("snapshots", manifest.version), manifest)
    expected = ["home/kitchen/mugs", "gifts", "home", "home/kitchen"]
    assert list(shelf.categories_of("mug")) == expected
    (state,) = await changes_since(pool, 0)
    assert list(changed(state).categories) == expected


async def test_a_champion_that_does_not_hold_together_does_not_stop_the_snapshot(
    filled_database_url, registry, quick_settings, tmp_path
):
    """Promise: the related-items table does without a champion that cannot be read."""
    made = await asyncio.to_thread(train, filled_database_url, registry, quick_settings)
    sound = made.manifest
    broken = sound.model_copy(update={"version": "broken", "items": sound.items + 1})
    registry.publish("models", broken, registry.fetch("models", sound.version, tmp_path))
    promote(registry, "broken", moved_by="test", reason="by hand")
    assert (await asyncio.to_thread(refresh, filled_database_url, registry)).items == sound.items
