"""The header `traceparent` is believed only where it is one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evershelf.policy.trace_context import TraceContext, read, written

GOOD = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
CONTEXTS = st.builds(
    TraceContext, st.integers(1, 2**128 - 1), st.integers(1, 2**64 - 1), sampled=st.booleans()
)  # fmt: skip


@given(CONTEXTS)
def test_what_is_written_is_read_again(context):
    # Promise: no trace is lost on its way.
    assert read(written(context)) == context


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text):
    # Promise: a header from outside raises nothing.
    assert read(text) is None or len(text) >= 55


@pytest.mark.parametrize(
    "header",
    [None, "", GOOD.upper(), GOOD[:-1], GOOD + "-more", "ff" + GOOD[2:], f"00-{'0' * 32}-00f067aa0ba902b7-01",
     GOOD.replace("00f067aa0ba902b7", "0" * 16)],
)  # fmt: skip
def test_what_is_no_context_is_none(header):
    # Promise: malformed ids, forbidden versions and ids of nothing but zeros start a trace of our own.
    assert read(header) is None


def test_a_later_version_may_say_more():
    # Promise: what comes behind a later version's fields is passed over.
    assert read("01" + GOOD[2:] + "-more") == read(GOOD)
