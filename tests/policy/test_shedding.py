"""Load shedding: whoever waits behind a page loses last, and nobody loses without need."""

from hypothesis import given
from hypothesis import strategies as st

from evershelf.policy.shedding import (
    Limits,
    Load,
    Priority,
    Service,
    is_congested,
    pause_s,
    pressure,
    priority,
    service,
)

LIMITS = Limits(in_hand_max=100, loop_lag_ms_max=50.0)
LOADS = st.builds(Load, in_hand=st.integers(0, 300), loop_lag_ms=st.floats(0, 150))
ORDER = list(Service)  # most work first


@given(LOADS)
def test_bulk_and_prefetch_lose_everything_before_interactive_loses_anything(load):
    # Promise (G18): under any load where an interactive request gets less than all, the others get nothing but bytes.
    services = {urgency: service(urgency, pressure(load, LIMITS)) for urgency in Priority}
    if services[Priority.INTERACTIVE] is not Service.FULL:
        assert services[Priority.PREFETCH] is services[Priority.BULK] is Service.SHED
    if services[Priority.PREFETCH] is not Service.FULL:
        assert services[Priority.BULK] is Service.SHED


@given(LOADS, LOADS, st.sampled_from(Priority))
def test_more_load_never_means_more_work(one, other, urgency):
    # Promise: the service only falls as the load rises.
    lesser, greater = sorted((one, other), key=lambda load: pressure(load, LIMITS))
    services = [service(urgency, pressure(load, LIMITS)) for load in (lesser, greater)]
    assert ORDER.index(services[0]) <= ORDER.index(services[1])


def test_an_idle_gateway_sheds_nobody():
    # Promise: without load everyone gets everything; at the limits everyone is shed, by either measure.
    for urgency in Priority:
        assert service(urgency, pressure(Load(0, 0.0), LIMITS)) is Service.FULL
        assert service(urgency, pressure(Load(100, 0.0), LIMITS)) is Service.SHED
        assert service(urgency, pressure(Load(0, 50.0), LIMITS)) is Service.SHED


@given(LOADS)
def test_whoever_is_shed_is_shed_with_all_who_are_less_urgent(load):
    # Promise: who asks for the least urgent first overlooks nobody.
    if service(Priority.BULK, pressure(load, LIMITS)) is Service.FULL:
        assert {service(urgency, pressure(load, LIMITS)) for urgency in Priority} == {Service.FULL}


def test_the_priority_is_what_the_header_says():
    # Promise: in any case of letters; what is missing or unknown counts as interactive.
    assert [priority(header) for header in ("bulk", "Prefetch", "INTERACTIVE")] == [
        Priority.BULK, Priority.PREFETCH, Priority.INTERACTIVE,
    ]  # fmt: skip
    assert {priority(header) for header in (None, "", "urgent", "bulk, bulk")} == {Priority.INTERACTIVE}


def test_an_answer_that_is_refused_the_model_counts_on_a_busy_loop_only():
    # Promise: where inference is slow and the gateway is not, nobody gets less for it.
    assert not is_congested(1.0, 60.0, refused=True)
    assert is_congested(5.0, 60.0, refused=True)
    assert not is_congested(5.0, 60.0, refused=False)
    assert is_congested(30.0, 60.0, refused=False)


@given(lag_ms=st.floats(0, 200), chance=st.floats(0, 1))
def test_only_masses_wait_and_only_where_all_would_be_late(lag_ms, chance):
    # Promise (G18): whose page waits is read at once whatever the load; the others by turns, none for long.
    waits = {urgency: pause_s(urgency, lag_ms, 60.0, chance=chance) for urgency in Priority}
    congested = is_congested(lag_ms, 60.0, refused=False)
    assert waits == {
        Priority.INTERACTIVE: 0.0,
        Priority.PREFETCH: chance if congested else 0.0,
        Priority.BULK: chance if congested else 0.0,
    }
