"""Fixtures of the training room: the world with taste, in arrays and in PostgreSQL."""

import importlib.util
from pathlib import Path

import pytest

from evershelf.registry.store import DirectoryRegistry
from evershelf.storage.catalog import upsert_items
from evershelf.storage.events import store_events
from evershelf.training.settings import TrainingSettings


@pytest.fixture(scope="session")
def taste():
    # Tests are no package (import mode importlib), so their shared world is loaded by its path.
    spec = importlib.util.spec_from_file_location("evershelf_test_taste", Path(__file__).with_name("taste.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def data(taste):
    return taste.training_data(taste.events())


@pytest.fixture
def registry(tmp_path):
    return DirectoryRegistry(tmp_path / "registry")


@pytest.fixture
def quick_settings():
    return TrainingSettings(training_candidates_max=4)


@pytest.fixture
async def filled_database_url(pool, database_url, taste):
    await upsert_items(pool, taste.catalog())
    events = taste.wire_events(taste.events())
    for first in range(0, len(events), 1_000):
        await store_events(pool, events[first : first + 1_000])
    return database_url
