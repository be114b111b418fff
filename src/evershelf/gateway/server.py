"""How the gateway's application is served: one place for the process, the tests and the benchmarks."""

import socket

import uvicorn
from fastapi import FastAPI

from evershelf.gateway.protocol import GatewayProtocol
from evershelf.gateway.settings import GatewaySettings

# uvloop takes one connection a turn of the loop from each listener. Under load a turn lasts milliseconds: a single
# listener's queue ran over, and callers waited seconds for the kernel to try again.
LISTENERS = 16


def listeners(config: uvicorn.Config) -> list[socket.socket]:
    """One bound socket under several descriptors, so that as many connections are taken each turn of the loop.

    Nothing can connect before the server listens on them. Ends the process when the address cannot be had.
    """
    bound = config.bind_socket()
    return [bound, *(bound.dup() for _ in range(LISTENERS - 1))]


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
