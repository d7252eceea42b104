"""The services that the shop's handler calls, on a loopback port: each does one thing once for one idempotency key."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

Answer = tuple[int, dict[str, Any]]


class Services:
    """What is in the world, and who asked for it."""

    def __init__(self) -> None:
        #: What is reserved, charged and on its way, by id; what was taken back isn't there any more.
        self.world: dict[str, dict[str, Any]] = {}
        #: How often each was asked for, by method and path (without the ids in it).
        self.asked: Counter[str] = Counter()
        #: The idempotency keys it was asked with.
        self.keys: dict[str, set[str]] = {}
        #: Answered instead of doing what is asked, by method and path.
        self.refusals: dict[str, Answer] = {}
        self.arrives = "2026-12-20"
        self._answers: dict[str, Answer] = {}

    def ask(self, method: str, path: str, key: str, body: dict[str, Any]) -> Answer:
        """Answer a call, and the same call with the same answer."""
        kind, _, rest = path.lstrip("/").partition("/")
        what = f"{method} {kind}{'/refunds' if rest.endswith('/refunds') else ''}"
        self.asked[what] += 1
        self.keys.setdefault(what, set()).add(key)
        if what in self.refusals:
            return self.refusals[what]
        if key not in self._answers:
            self._answers[key] = self._do(what, kind, rest.partition("/")[0], body)
        return self._answers[key]

    def _do(self, what: str, kind: str, id_: str, body: dict[str, Any]) -> Answer:
        if what.startswith("DELETE") or what.endswith("/refunds"):
            return (200, {}) if self.world.pop(id_, None) is not None else (404, {"message": f"no {id_}"})
        new = f"{kind}-{len(self._answers)}"
        self.world[new] = body
        return 201, {"id": new, "cents": 4200, "arrives": self.arrives, "sent_by": "whoever"}


@contextmanager
def serving(services: Services) -> Iterator[str]:
    """Serve them; the value is their URL."""
    with HTTPServer(("127.0.0.1", 0), _handler(services)) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def _handler(services: Services) -> Callable[..., BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self._answer()

        def do_DELETE(self) -> None:
            self._answer()

        def log_message(self, *_: object) -> None:
            pass

        def _answer(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, answer = services.ask(self.command, self.path, self.headers["Idempotency-Key"], body)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

    return Handler
