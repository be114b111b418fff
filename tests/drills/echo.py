"""A small server that answers every request with the same bytes."""

import socket
import threading
from contextlib import suppress

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 201\r\n\r\n" + b"x" * 200 + b"\n"


class Echo:
    """Listens on a free port until closed; a request is whatever ends with a brace or an empty line."""

    def __init__(self, answer: bytes = ANSWER) -> None:
        self.answer = answer
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self._listening.getsockname()[1]
        self._connections: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for connection in self._connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            self._connections.append(connection)
            self._threads.append(threading.Thread(target=self._serve, args=(connection,)))
            self._threads[-1].start()

    def _serve(self, connection: socket.socket) -> None:
        asked = b""
        with connection:
            try:
                while data := connection.recv(65_536):
                    asked += data
                    if asked.endswith((b"}", b"\r\n\r\n")):
                        connection.sendall(self.answer)
                        asked = b""
            except OSError:
                return
