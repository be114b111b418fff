"""Admission's promise: every request has a deadline of 20..2000 ms, and the model is asked only if it can help."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evershelf.contracts.recommendations import Reason, Source
from evershelf.policy.admission import deadline_ms, refusal
from tests.policy.fake_shelf import ask


@pytest.mark.parametrize(
    ("headers", "expected_ms"),
    [
        ({}, 150),
        ({"x-request-deadline-ms": "80"}, 80),
        ({"x-request-deadline-ms": "5"}, 20),
        ({"x-request-deadline-ms": "999999"}, 2_000),
        ({"x-request-deadline-ms": "-3"}, 150),
        ({"x-request-deadline-ms": "soon", "grpc-timeout": "90m"}, 90),
        ({"grpc-timeout": "1S"}, 1_000),
        ({"grpc-timeout": "x"}, 150),
        ({"x-envoy-expected-rq-timeout-ms": "70"}, 70),
        ({"x-request-deadline-ms": "60", "grpc-timeout": "90m", "x-envoy-expected-rq-timeout-ms": "70"}, 60),
    ],
)
def test_the_caller_says_how_long_it_waits(headers, expected_ms):
    assert deadline_ms(headers, 150) == expected_ms


@given(st.text(), st.text(), st.text())
def test_no_header_gives_an_unbounded_deadline(plain, grpc, envoy):
    headers = {"x-request-deadline-ms": plain, "grpc-timeout": grpc, "x-envoy-expected-rq-timeout-ms": envoy}
    assert 20 <= deadline_ms(headers, 150) <= 2_000


@pytest.mark.parametrize(
    ("changes", "remaining_ms", "lag_ms", "quality", "expected"),
    [
        ({}, 100.0, 0.0, 1.0, None),
        ({}, 100.0, 50.0, 0.1, None),
        ({"ladder": (Source.POPULAR, Source.STATIC)}, 100.0, 0.0, 1.0, Reason.NOT_IN_LADDER),
        ({}, 4.0, 0.0, 1.0, Reason.BUDGET_TOO_SMALL),
        ({}, -50.0, 200.0, 1.0, Reason.OVERLOADED),  # the event loop's lag has eaten it, not the caller's impatience
        ({}, 100.0, 0.0, 0.0, Reason.OVERLOADED),
    ],
)
def test_the_model_is_asked_only_when_it_can_help(changes, remaining_ms, lag_ms, quality, expected):
    found = refusal(ask(**changes), remaining_ms=remaining_ms, lag_ms=lag_ms, budget_ms_min=5, quality=quality)
    assert found is expected
