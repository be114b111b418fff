"""Admission: how long an answer may take, and whether the model is asked at all."""

from collections.abc import Mapping

from evershelf.contracts.placements import DEADLINE_MS_MAX, DEADLINE_MS_MIN
from evershelf.contracts.recommendations import Reason, Source
from evershelf.policy.ladder import Query

# How callers and proxies say how long they wait, in order of precedence.
DEADLINE_HEADERS = ("x-request-deadline-ms", "grpc-timeout", "x-envoy-expected-rq-timeout-ms")
_PLAIN_HEADER, _GRPC_HEADER, _ENVOY_HEADER = DEADLINE_HEADERS
_GRPC_UNIT_MS = {"H": 3_600_000.0, "M": 60_000.0, "S": 1_000.0, "m": 1.0, "u": 0.001, "n": 0.000_001}


def deadline_ms(headers: Mapping[str, str], default_ms: int) -> int:
    """The budget of a request: the first readable header, else the placement's; clamped to 20..2000 ms."""
    asked = _plain_ms(headers.get(_PLAIN_HEADER))
    if asked is None:
        asked = _grpc_ms(headers.get(_GRPC_HEADER))
    if asked is None:
        asked = _plain_ms(headers.get(_ENVOY_HEADER))
    wanted = float(default_ms) if asked is None else asked
    return int(min(max(wanted, DEADLINE_MS_MIN), DEADLINE_MS_MAX))


def refusal(query: Query, *, remaining_ms: float, lag_ms: float, budget_ms_min: float, quality: float) -> Reason | None:
    """Why the model is not asked for this request, or None: it is.

    `remaining_ms` is what is left once the loop's lag `lag_ms` is taken off; `quality` what the load leaves room for.
    """
    if Source.MODEL not in query.ladder:
        return Reason.NOT_IN_LADDER
    if quality <= 0.0:
        return Reason.OVERLOADED
    if remaining_ms >= budget_ms_min:
        return None
    return Reason.OVERLOADED if remaining_ms + lag_ms >= budget_ms_min else Reason.BUDGET_TOO_SMALL


def _plain_ms(value: str | None) -> float | None:
    """Digits only: a header that is not a plain number of milliseconds is as good as none."""
    return float(value) if value is not None and value.isascii() and value.isdigit() and len(value) <= 9 else None


def _grpc_ms(value: str | None) -> float | None:
    """`grpc-timeout`: at most eight digits and a unit (gRPC over HTTP/2, "Timeout")."""
    if not value or value[-1] not in _GRPC_UNIT_MS:
        return None
    digits = _plain_ms(value[:-1])
    return None if digits is None else digits * _GRPC_UNIT_MS[value[-1]]
