"""What a question over HTTP says, before anybody has checked it: its address and its head."""

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple, cast

from evershelf.gateway.auth import Caller
from evershelf.policy.admission import DEADLINE_HEADERS
from evershelf.policy.shedding import PRIORITY_HEADER
from evershelf.policy.trace_context import TRACEPARENT

ASK_PATH = "/v1/recommendations"
Asked = dict[str, str | list[str]]
# Parameters that may stand in a query string more than once; of all others the last one counts.
_LISTS = frozenset({"context_items", "exclude"})
# A query string that needs no parser: names and values without escapes.
_PLAIN = re.compile(rb"""(?:[a-z_]+=[!"$'-*,-<>-~]+(?:&|$))*""")
_READ = {name.encode(): name for name in ("authorization", PRIORITY_HEADER, TRACEPARENT, *DEADLINE_HEADERS)}
_OF_A_BODY = frozenset({b"content-length", b"transfer-encoding"})


class Head(NamedTuple):
    """What the headers of a question say here, of several of one name the first; for all questions with the same."""

    headers: Mapping[str, str]
    caller: Caller


def read_head(raw_headers: list[tuple[bytes, bytes]]) -> Head | None:
    """The head of a question without a body, whose end would have to be waited for; else None. Names in lower case."""
    if any(name in _OF_A_BODY for name, _ in raw_headers):
        return None
    headers = {_READ[name]: value.decode("latin-1") for name, value in reversed(raw_headers) if name in _READ}
    return Head(headers, Caller(headers.get("authorization")))


def collected(pairs: Iterable[tuple[str, str]]) -> Asked:
    """The parameters by name, from names and values in the order of the query string."""
    found: Asked = {}
    for name, value in pairs:
        if name in _LISTS:
            cast("list[str]", found.setdefault(name, [])).append(value)  # only lists stand under these names
        else:
            found[name] = value
    return found


def plainly_asked(query: bytes) -> Asked | None:
    """The parameters of a query string that needs no parser; None of any other."""
    if _PLAIN.fullmatch(query) is None:
        return None
    pairs = (pair.partition("=") for pair in query.decode().split("&"))
    return collected((name, value) for name, _, value in pairs if name)
