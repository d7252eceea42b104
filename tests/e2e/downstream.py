"""A server that handlers call: its port refuses connections until it is opened."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Final

_BACKLOG: Final = 128


class Downstream:
    """A server that answers each connection with one line, once it is open.

    Args:
        listener: bound to its port, not listening: connections to it are refused, and nobody else can take the port.
    """

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._serving: Thread | None = None
        self.port: int = listener.getsockname()[1]

    def open(self) -> None:
        """Take connections from now on."""
        self._listener.listen(_BACKLOG)
        self._serving = Thread(target=self._serve)
        self._serving.start()

    def close(self) -> None:
        """Stop."""
        if self._serving is not None:
            self._listener.shutdown(socket.SHUT_RDWR)
            self._serving.join()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                connection.sendall(b"served\n")


@contextmanager
def downstream() -> Iterator[Downstream]:
    """Have a server that isn't open yet."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = Downstream(listener)
        try:
            yield server
        finally:
            server.close()
