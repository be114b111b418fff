"""Runs the model server: `python -m evershelf.inference`."""

import signal
import socket
import sys
from types import FrameType

import structlog
import uvicorn

from evershelf.inference.app import create_app
from evershelf.inference.settings import InferenceSettings
from evershelf.logs.configuration import configure_logging

BACKLOG = 256
# Longer than any caller's pool keeps an idle connection: the caller closes, and no request meets a closed door.
KEEP_ALIVE_S = 75


def main() -> None:
    """Serves until SIGTERM or SIGINT, then finishes what is in hand (within `inference_grace_s`) and exits with 0."""
    signal.signal(signal.SIGTERM, _leave)
    signal.signal(signal.SIGINT, _leave)
    writer = configure_logging(tracebacks=True)
    settings = InferenceSettings()
    listening = socket.create_server((settings.inference_host, settings.inference_port), backlog=BACKLOG)
    port = listening.getsockname()[1]
    server = uvicorn.Server(
        uvicorn.Config(
            create_app(settings, log_lines_dropped=lambda: writer.dropped),
            loop="uvloop",
            http="httptools",
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            backlog=BACKLOG,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=settings.inference_grace_s,
        )
    )
    structlog.get_logger(__name__).info("inference_listening", host=settings.inference_host, port=port)
    if settings.inference_port_file:
        settings.inference_port_file.write_text(str(port))
    server.run(sockets=[listening])


def _leave(_number: int, _frame: FrameType | None) -> None:
    # Before the server runs this ends the program; while it runs it has handlers of its own, and raises the signal
    # again once it has drained.
    sys.exit(0)


if __name__ == "__main__":
    main()
