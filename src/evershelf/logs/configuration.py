"""How a serving process logs: each line a JSON object on stdout, written by a thread of its own."""

import logging
import sys
from typing import TextIO, cast

import structlog

from evershelf.logs.lines import take_over
from evershelf.logs.writer import LogWriter


def configure_logging(*, tracebacks: bool = False) -> LogWriter:
    """Sends all log lines of the process to stdout, each a JSON object; what libraries warn of too.

    No line is waited for: while nobody reads stdout, lines are kept, then dropped and counted. With `tracebacks` a line
    may carry that of an error, which may quote what was in hand.
    """
    writer = LogWriter(sys.stdout)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *([structlog.processors.dict_tracebacks] if tracebacks else []),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(file=cast("TextIO", writer)),  # it is asked to write and to flush
        cache_logger_on_first_use=True,
    )
    take_over(cast("TextIO", writer), tracebacks=tracebacks)
    return writer
