"""The gateway as a process: `python -m evershelf.gateway`."""

import uvicorn

from evershelf.gateway.app import create_app
from evershelf.gateway.outside import Outside
from evershelf.gateway.server import server_config
from evershelf.gateway.settings import GatewaySettings
from evershelf.logs.configuration import configure_logging


def main() -> None:
    """Serve until SIGTERM or SIGINT, then finish what was begun within the grace time."""
    writer = configure_logging()
    settings = GatewaySettings()
    outside = Outside(log_lines_dropped=lambda: writer.dropped)
    uvicorn.Server(server_config(create_app(settings, outside), settings)).run()


if __name__ == "__main__":
    main()
