"""Ready means a snapshot and nothing else; the state of dependencies is told, never waited for."""

import time
from types import SimpleNamespace

import pytest

from evershelf.contracts.health import Dependencies, DependencyState, Readiness, ReplicaHealth
from evershelf.gateway.routes import health
from evershelf.gateway.spool_file import SpoolCounts
from evershelf.policy.breaker import State
from tests.gateway.small_app import client, small_parts

REPLICA = ReplicaHealth(
    name="127.0.0.1:8081", state=DependencyState.DOWN, since_s=1.0, circuit="open", limit=4, in_flight=1, p50_ms=2.5
)


class FakeShelf(SimpleNamespace):
    """A shelf of two items."""

    def __len__(self):
        return 2


def parts(*, has_snapshot: bool = True, spool_available: bool = True) -> SimpleNamespace:
    shelf = FakeShelf(version="20260101-1", created_at_s=time.time(), changes={})
    return small_parts(
        snapshots=SimpleNamespace(has_snapshot=has_snapshot, current=shelf),
        inference=SimpleNamespace(state=DependencyState.DOWN, circuit=State.OPEN, health=lambda: [REPLICA]),
        spool=SimpleNamespace(counts=lambda: SpoolCounts(pending=3), available=spool_available),
        shipper=SimpleNamespace(failures_in_a_row=0, last_error=None),
    )


@pytest.mark.parametrize("has_snapshot", [True, False])
async def test_ready_needs_a_snapshot_and_nothing_else(has_snapshot):
    # Promise: with PostgreSQL and inference down, a gateway that has a snapshot is ready; without one it is not.
    async with client(parts(has_snapshot=has_snapshot), health.router) as session:
        response = await session.get("/readyz")
    assert response.status_code == (200 if has_snapshot else 503)
    assert Readiness.model_validate_json(response.content).ready is has_snapshot


async def test_live_needs_nothing():
    # Promise: the process says that it lives even where every part is missing.
    async with client(SimpleNamespace(), health.router) as session:
        assert (await session.get("/livez")).status_code == 200


@pytest.mark.parametrize(("available", "state"), [(True, DependencyState.UP), (False, DependencyState.DOWN)])
async def test_dependencies_are_told_as_last_seen(available, state):
    # Promise: each dependency has its state, a failing disk included; no key is needed and no dependency is asked.
    async with client(parts(spool_available=available), health.router) as session:
        told = Dependencies.model_validate_json((await session.get("/dependencies")).content)
    by_name = {dependency.name: dependency for dependency in told.dependencies}
    assert set(by_name) == {"postgresql", "inference", "snapshot", "spool"}
    assert by_name["inference"].replicas == [REPLICA]
    assert by_name["postgresql"].state is by_name["inference"].state is DependencyState.DOWN
    assert (by_name["spool"].state, by_name["snapshot"].state) == (state, DependencyState.UP)


async def test_metrics_are_served_as_prometheus_text():
    # Promise: a scraper needs no key and gets the format it expects.
    async with client(parts(), health.router) as session:
        response = await session.get("/metrics")
    assert response.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert "evershelf_events_total" in response.text
