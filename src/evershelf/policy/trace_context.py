"""W3C Trace Context: the header `traceparent`, read with distrust and written."""

import re
from dataclasses import dataclass

TRACEPARENT = "traceparent"
SAMPLED = 0x01
# Version 00; a later version may say more behind it, which is not for us (W3C Trace Context, 3.2.4).
_FORM = re.compile(r"(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?")
LENGTH_MAX = 128


@dataclass(frozen=True, slots=True)
class TraceContext:
    """The trace and the span that a request belongs to, and whether its caller records it."""

    trace_id: int
    span_id: int
    sampled: bool


def read(header: str | None) -> TraceContext | None:
    """What the header says; None where there is none, or it is not one."""
    if header is None or len(header) > LENGTH_MAX or (found := _FORM.fullmatch(header)) is None:
        return None
    if header.startswith("00") and len(header) != 55:
        return None
    trace_id, span_id, flags = (int(part, 16) for part in found.groups())
    return TraceContext(trace_id, span_id, bool(flags & SAMPLED)) if trace_id and span_id else None


def written(context: TraceContext) -> str:
    """The header's text."""
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{SAMPLED if context.sampled else 0:02x}"
