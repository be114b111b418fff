"""The gateway as a process: `python -m evershelf.gateway`."""

import uvicorn

from evershelf.gateway.app import create_app
from evershelf.gateway.outside import Outside, give_short_turns
from evershelf.gateway.server import listeners, server_config
from evershelf.gateway.settings import GatewaySettings
from evershelf.logs.configuration import configure_logging


def main() -> None:
    """Serve until SIGTERM or SIGINT, then finish what was begun within the grace time."""
    give_short_turns()
    writer = configure_logging()
    settings = GatewaySettings()
    outside = Outside(log_lines_dropped=lambda: writer.dropped)
    config = server_config(create_app(settings, outside), settings)
    uvicorn.Server(config).run(sockets=listeners(config))


if __name__ == "__main__":
    main()
