"""The gateway as a process: `python -m evershelf.gateway`."""

import uvicorn

from evershelf.gateway.app import create_app
from evershelf.gateway.settings import GatewaySettings
from evershelf.gateway.telemetry import configure_logging


def main() -> None:
    """Serve until SIGTERM or SIGINT, then finish what was begun within the grace time."""
    configure_logging()
    settings = GatewaySettings()
    uvicorn.run(
        create_app(settings),
        host=settings.gateway_host,
        port=settings.gateway_port,
        loop="uvloop",
        http="httptools",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=settings.gateway_grace_s,
    )


if __name__ == "__main__":
    main()
