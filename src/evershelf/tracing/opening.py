"""Opens the tracer that the settings ask for."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from evershelf.tracing.settings import TracingSettings

if TYPE_CHECKING:
    from evershelf.tracing.tracer import Tracer


class MissingExtraError(Exception):
    """The setting asks for what this image was built without."""


def open_tracer(
    service: str, settings: TracingSettings, *, monotonic_s: Callable[[], float] = time.monotonic
) -> "Tracer | None":
    """The tracer of this process, or None where no collector is named; OpenTelemetry is not even imported then.

    Raises:
        MissingExtraError: a collector is named, and the extra `otlp` is not installed.
    """
    if settings.otlp_url is None:
        return None
    try:
        from evershelf.tracing.tracer import Tracer  # noqa: PLC0415 - needs the extra `otlp`
    except ImportError as error:
        raise MissingExtraError("traces need the extra `otlp`: pip install 'evershelf[otlp]'") from error
    return Tracer(service, settings.otlp_url, settings, monotonic_s)
