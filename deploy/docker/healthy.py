"""Exits with 0 if this container answers `GET PATH` with 200: `healthy.py PORT PATH`; imports next to nothing."""

import socket
import sys

TIMEOUT_S = 2.0


def main() -> int:
    """Ask once; any failure is an unhealthy container."""
    port, path = int(sys.argv[1]), sys.argv[2]
    try:
        with socket.create_connection(("127.0.0.1", port), TIMEOUT_S) as connection:
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
            return 0 if connection.recv(64).startswith(b"HTTP/1.1 200 ") else 1
    except OSError:
        return 1


if __name__ == "__main__":
    sys.exit(main())
