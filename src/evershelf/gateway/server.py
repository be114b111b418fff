"""How the gateway's application is served: one place for the process, the tests and the benchmarks."""

import uvicorn
from fastapi import FastAPI

from evershelf.gateway.protocol import GatewayProtocol
from evershelf.gateway.settings import GatewaySettings


def server_config(app: FastAPI, settings: GatewaySettings) -> uvicorn.Config:
    """Uvicorn's configuration: uvloop, httptools with our own quick lane, nothing logged or added by the server."""
    return uvicorn.Config(
        app,
        host=settings.gateway_host,
        port=settings.gateway_port,
        loop="uvloop",
        http=GatewayProtocol,
        ws="none",
        log_config=None,
        access_log=False,
        proxy_headers=False,  # nothing here depends on the caller's address
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=settings.gateway_grace_s,
    )
