"""Opens traces for a share of the requests; what is not traced costs one look at a number.

Spans are told with the times that the parts have taken anyway: nothing here runs around their work. A thread of
OpenTelemetry's hands them on in batches from a bounded queue; a collector that is away costs spans, never an answer.
"""

import random
import time
from collections.abc import Callable
from threading import Thread

from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, SpanKind, TraceFlags, set_span_in_context

from evershelf import __version__
from evershelf.policy.trace_context import TraceContext, read, written
from evershelf.tracing.attributes import Attributes
from evershelf.tracing.settings import TracingSettings

SPANS_WAITING_MAX = 2_048
SPANS_A_BATCH_MAX = 512
SEND_EVERY_S = 1.0
# At the end of the process, for what still waits.
LAST_SPANS_S = 2.0


class Trace:
    """The spans of one request in this process. Times are those of the monotonic clock, in seconds."""

    def __init__(self, tracer: "Tracer", root: Span, offset_ns: int) -> None:
        self._tracer = tracer
        self._root = root
        self._within = set_span_in_context(root)
        self._offset_ns = offset_ns
        self._call: Span | None = None

    @property
    def traceparent(self) -> str:
        """The header that names this process's part of the trace."""
        return _traceparent(self._root)

    @property
    def trace_id(self) -> str:
        """32 hexadecimal digits."""
        return f"{self._root.get_span_context().trace_id:032x}"

    def call(self, name: str, began_s: float) -> str:
        """Begins a span for a call to another process; the header to send along."""
        self._call = self._tracer.open(name, SpanKind.CLIENT, self._within, self._ns(began_s))
        return _traceparent(self._call)

    def called(self, ended_s: float, attributes: Attributes) -> None:
        """The call has ended."""
        if self._call is not None:
            self._call.set_attributes(attributes)
            self._call.end(self._ns(ended_s))
            self._call = None

    def span(self, name: str, times_s: tuple[float, float], attributes: Attributes, *, calls_out: bool = False) -> None:
        """Something that was done from one time to the other."""
        kind = SpanKind.CLIENT if calls_out else SpanKind.INTERNAL
        span = self._tracer.open(name, kind, self._within, self._ns(times_s[0]))
        span.set_attributes(attributes)
        span.end(self._ns(times_s[1]))

    def end(self, ended_s: float, attributes: Attributes) -> None:
        """The request is answered."""
        self._root.set_attributes(attributes)
        self._root.end(self._ns(ended_s))

    def _ns(self, monotonic_s: float) -> int:
        return self._offset_ns + int(monotonic_s * 1e9)


class Tracer:
    """One a process. Used on its event loop only."""

    def __init__(self, service: str, url: str, settings: TracingSettings, monotonic_s: Callable[[], float]) -> None:
        self._share = settings.trace_share
        self._per_s_max = settings.traces_per_s_max
        self._monotonic_s = monotonic_s
        self._random = random.Random()  # noqa: S311 - which request is looked at is no secret
        self._second, self._begun = 0, 0
        exporter = OTLPSpanExporter(
            endpoint=f"{url}/v1/traces", timeout=settings.otlp_timeout_s, compression=Compression.NoCompression
        )
        processor = BatchSpanProcessor(
            exporter,
            max_queue_size=SPANS_WAITING_MAX,
            schedule_delay_millis=SEND_EVERY_S * 1_000,
            max_export_batch_size=SPANS_A_BATCH_MAX,
        )
        resource = Resource.create({"service.name": service, "service.version": __version__})
        self._provider = TracerProvider(resource=resource, sampler=ALWAYS_ON, shutdown_on_exit=False)
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("evershelf", __version__)

    def begin(self, name: str, caller: str | None, *, began_s: float) -> Trace | None:
        """The trace of a request, or None where it is not to be traced.

        `caller` is the request's header `traceparent`: what it says of recording holds; without it chance decides.
        """
        context = read(caller)
        if not (context.sampled if context is not None else self._random.random() < self._share):
            return None
        if not self._has_room():
            return None
        offset_ns = time.time_ns() - int(self._monotonic_s() * 1e9)
        parent = None if context is None else set_span_in_context(NonRecordingSpan(_remote(context)))
        root = self._tracer.start_span(
            name, context=parent, kind=SpanKind.SERVER, start_time=offset_ns + int(began_s * 1e9)
        )
        return Trace(self, root, offset_ns)

    def open(self, name: str, kind: SpanKind, within: object, began_ns: int) -> Span:
        """A span that has begun."""
        return self._tracer.start_span(name, context=within, kind=kind, start_time=began_ns)  # type: ignore[arg-type]  # OpenTelemetry's Context

    def close(self) -> None:
        """Sends what waits, for LAST_SPANS_S at most: a collector that hangs holds up no end."""
        last = Thread(target=self._provider.shutdown, name="last-spans", daemon=True)
        last.start()
        last.join(LAST_SPANS_S)

    def _has_room(self) -> bool:
        second = int(self._monotonic_s())
        if second != self._second:
            self._second, self._begun = second, 0
        self._begun += 1
        return self._begun <= self._per_s_max


def _remote(context: TraceContext) -> SpanContext:
    return SpanContext(context.trace_id, context.span_id, is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED))


def _traceparent(span: Span) -> str:
    context = span.get_span_context()
    return written(TraceContext(context.trace_id, context.span_id, sampled=True))
