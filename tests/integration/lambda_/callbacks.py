"""The side of the management API that takes frames: a real HTTP server that keeps them."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any
from urllib.parse import unquote


class Callbacks:
    """What was posted to connections; one that is gone answers so."""

    def __init__(self) -> None:
        self.gone: set[str] = set()
        self.unsigned = 0
        self.url = ""
        self._lock = Lock()
        self._frames: list[tuple[str, dict[str, Any]]] = []

    def told(self, connection: str) -> list[dict[str, Any]]:
        """Return the frames of a connection."""
        return [frame for one, frame in self.frames() if one == connection]

    def frames(self) -> list[tuple[str, dict[str, Any]]]:
        """Return all frames, with their connections."""
        with self._lock:
            return list(self._frames)

    def take(self, connection: str, frame: dict[str, Any], *, signed: bool) -> int:
        """Take a frame; return the status of the answer."""
        with self._lock:
            self.unsigned += not signed
            if connection in self.gone:
                return 410
            self._frames.append((connection, frame))
            return 200

    @classmethod
    @contextmanager
    def running(cls) -> "Iterator[Callbacks]":
        """Run it on a free port."""
        callbacks = cls()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                connection = unquote(self.path.removeprefix("/local/@connections/"))
                signed = "/execute-api/aws4_request" in self.headers.get("authorization", "")
                self.send_response(callbacks.take(connection, json.loads(body), signed=signed))
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        class Server(ThreadingHTTPServer):
            request_queue_size = 64

        with Server(("127.0.0.1", 0), Handler) as server:
            callbacks.url = f"http://127.0.0.1:{server.server_address[1]}/local"
            thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
            thread.start()
            try:
                yield callbacks
            finally:
                server.shutdown()
                thread.join()
