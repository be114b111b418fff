"""What others say of this process, as lines like our own: libraries, Python's warnings, the error that ends it."""

import json
import logging
import sys
import threading
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import TextIO

import structlog

FRAMES_MAX = 8
TEXT_LENGTH_MAX = 2_000


def where(error: BaseException) -> list[str]:
    """The innermost frames of the error, outermost first; never its message, which may quote what was in hand."""
    frames = traceback.extract_tb(error.__traceback__)[-FRAMES_MAX:]
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]


class LibraryLine(logging.Formatter):
    """A record of `logging` as a JSON object: `library_said`, its logger and text, a traceback if wanted."""

    def __init__(self, *, tracebacks: bool) -> None:
        super().__init__()
        self._tracebacks = tracebacks

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        error = record.exc_info[1] if record.exc_info else None
        told = {"event": "library_said", "logger": record.name, "text": record.getMessage()[:TEXT_LENGTH_MAX]}
        trouble = {} if error is None else {"error": type(error).__name__, "where": where(error)}
        if error is not None and self._tracebacks:
            trouble["traceback"] = self.formatException((type(error), error, error.__traceback__))
        at = datetime.fromtimestamp(record.created, UTC).isoformat().replace("+00:00", "Z")
        return json.dumps(told | trouble | {"level": record.levelname.lower(), "timestamp": at})


def take_over(stream: TextIO, *, tracebacks: bool) -> None:
    """Makes every record, warning and error that nobody caught a line in `stream`."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(LibraryLine(tracebacks=tracebacks))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.captureWarnings(capture=True)
    sys.excepthook = _ended
    threading.excepthook = lambda args: _ended(args.exc_type, args.exc_value, args.exc_traceback, args.thread)


def _ended(
    kind: type[BaseException],
    error: BaseException | None,
    _trace: TracebackType | None,
    thread: threading.Thread | None = None,
) -> None:
    # Nothing of a request runs outside the boundaries that catch: what comes here is about settings, ports and disks.
    told: Mapping[str, object] = (
        {} if error is None else {"detail": str(error)[:TEXT_LENGTH_MAX], "where": where(error)}
    )
    event = "process_failed" if thread is None else "thread_failed"
    structlog.get_logger().critical(event, error=kind.__name__, **told)
