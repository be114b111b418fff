"""What a verb says while nobody watches, as log lines like those of the serving processes."""

import io
import json
import os
import sys
from collections.abc import Callable

VARIABLE = "EVERSHELF_CLI_JSON_LINES"


def speak_json_if_told() -> None:
    """From now on each thing said on stdout or stderr is a JSON object on stdout; a terminal keeps its text."""
    if VARIABLE not in os.environ or sys.stdout.isatty():
        return
    from evershelf.cli.context import settings

    if not settings().cli_json_lines:
        return
    import structlog

    from evershelf.logs.configuration import configure_logging

    configure_logging()
    log = structlog.get_logger()
    sys.stdout, sys.stderr = Spoken(log.info), Spoken(log.warning)


class Spoken(io.TextIOBase):
    """A text stream: what is written up to the end of a line is said as one event, JSON as what it tells."""

    def __init__(self, say: Callable[..., object]) -> None:
        self._say, self._begun = say, ""

    def write(self, text: str) -> int:
        """Keeps the text until a write ends a line."""
        self._begun += text
        if self._begun.endswith("\n"):
            said, self._begun = self._begun.strip(), ""
            if said:
                self._say(**_event(said))
        return len(text)


def _event(said: str) -> dict[str, object]:
    try:
        told = json.loads(said)
    except ValueError:
        told = None
    return (
        {"event": "verb_told", "told": told} if isinstance(told, dict | list) else {"event": "verb_said", "text": said}
    )
