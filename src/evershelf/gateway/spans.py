"""What is told of an answer besides its body: where its time went, its trace, and a line in the log of a share."""

from collections.abc import Mapping
from uuid import UUID

import structlog
from pydantic import JsonValue

from evershelf.gateway.ask import Ask, Decided
from evershelf.gateway.parts import Parts
from evershelf.policy.compose import ModelReply
from evershelf.policy.trace_context import TRACEPARENT
from evershelf.tracing.attributes import Attributes

_STEPS = 1_000_000
_TOLD = ("placement", "source", "reason", "degraded", "model_version", "deadline_ms", "elapsed_ms")
log = structlog.get_logger()


def headers(decided: Decided, elapsed_ms: float) -> tuple[tuple[bytes, bytes], ...]:
    """`Server-Timing` (W3C) in milliseconds, and of a traced request its `traceparent`."""
    compose_ms = max(0.0, elapsed_ms - decided.history_ms - decided.inference_ms)
    timing = b"history;dur=%.3f, model;dur=%.3f, compose;dur=%.3f" % (
        decided.history_ms,
        decided.inference_ms,
        compose_ms,
    )
    if (trace := decided.ask.trace) is None:
        return ((b"server-timing", timing),)
    return (b"server-timing", timing), (TRACEPARENT.encode(), trace.traceparent.encode())


def calling(ask: Ask) -> str | None:
    """Inference is about to be asked: what to send along."""
    return None if ask.trace is None else ask.trace.call("rank", ask.clock.monotonic_s())


def called(ask: Ask, reply: ModelReply) -> None:
    """Inference answered, or was given up."""
    if ask.trace is not None:
        ask.trace.called(ask.clock.monotonic_s(), {"evershelf.outcome": reply.outcome.value})


def end(parts: Parts, decided: Decided, head: Mapping[str, JsonValue], recommendation_id: UUID) -> None:
    """The answer is composed: ends its trace, and writes its line if it belongs to the share that has one."""
    ask = decided.ask
    trace, waits = ask.trace, ask.waits
    if trace is not None:
        if waits.history_read:
            read = waits.began_s, waits.began_s + waits.history_ms / 1_000
            trace.span("history", read, {"db.system.name": "postgresql"}, calls_out=True)
        trace.end(ask.clock.monotonic_s(), _attributes(head))
    logged = recommendation_id.int % _STEPS < parts.settings.gateway_answer_log_share * _STEPS
    if logged or trace is not None:
        told = {name: head[name] for name in _TOLD}
        more = {} if trace is None else {"trace_id": trace.trace_id}
        log.info("answered", recommendation_id=str(recommendation_id), **told, **more)


def _attributes(head: Mapping[str, JsonValue]) -> Attributes:
    named = {f"evershelf.{name}": head[name] for name in ("recommendation_id", *_TOLD)}
    return {name: value for name, value in named.items() if isinstance(value, str | bool | int | float)}
