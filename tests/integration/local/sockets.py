"""A local WebSocket API as a process, with a function that does as it is told, and clients of both its sides."""

import base64
import json
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import boto3
from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from websockets.sync.client import ClientConnection, connect

from dropslot.local.clients import ACCESS_KEY, REGION, SECRET_KEY
from dropslot.local.ports import LOOPBACK, free_ports, is_listening
from dropslot.local.socket.options import callback_url, websocket_url

FUNCTIONS: Final = Path(__file__).with_name("functions")
PATIENCE_SECONDS: Final = 30.0
_POLL_SECONDS: Final = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketApi:
    """A running API.

    Args:
        port: where it listens.
        folder: takes the function's notes.
        process: itself.
    """

    port: int
    folder: Path
    process: "subprocess.Popen[bytes]"

    @property
    def url(self) -> str:
        """Where clients connect to."""
        return websocket_url(self.port)

    @property
    def callback_url(self) -> str:
        """Where the management API is."""
        return callback_url(self.port)

    def connect(self, query: str = "", **options: Any) -> ClientConnection:
        """Connect a client; close it with `with`."""
        # This machine's proxy is for the outside.
        client: ClientConnection = connect(self.url + query, proxy=None, **options)
        return client

    def notes(self) -> list[dict[str, Any]]:
        """Return what the function noted, one for each invocation."""
        file = self.folder / "runs"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def events(self, event_type: str) -> list[dict[str, Any]]:
        """Return the function's events of a type, `CONNECT`, `MESSAGE` or `DISCONNECT`."""
        events = [note["event"] for note in self.notes()]
        return [event for event in events if event["requestContext"]["eventType"] == event_type]

    def last_id(self) -> str:
        """Return the id of the connection that was asked for last."""
        return str(self.events("CONNECT")[-1]["requestContext"]["connectionId"])

    def disconnected(self, connection_id: str) -> dict[str, Any]:
        """Wait until the function has heard that a connection has ended; return that event."""
        found: list[dict[str, Any]] = []

        def heard() -> bool:
            # Others' may come later than this one's: each waits for an environment of its own.
            events = self.events("DISCONNECT")
            found[:] = [event for event in events if event["requestContext"]["connectionId"] == connection_id]
            return bool(found)

        eventually(heard)
        return found[0]

    def close(self) -> int:
        """Stop the process in order and return its exit code."""
        self.process.terminate()
        return self.process.wait(timeout=PATIENCE_SECONDS)


@contextmanager
def running_socket_api(
    folder: Path, *, auth: str = "none", callers: Path | None = None, limits: Mapping[str, float] | None = None
) -> Iterator[SocketApi]:
    """Run the API for a `with` block; limits are fields of `SocketOptions`."""
    (port,) = free_ports(1)
    command = (
        *(sys.executable, "-m", "dropslot.local.socket", "--port", str(port)),
        *("--functions", str(FUNCTIONS), "--handler", "local_socket.handler", "--auth", auth),
        *(("--callers", str(callers)) if callers is not None else ()),
        *("--options", json.dumps(limits if limits is not None else {})),
    )
    environment = {**os.environ, "AWS_REGION": REGION, "RUN_LOG": str(folder / "runs")}
    with (folder / "socket.log").open("ab") as log:
        process = subprocess.Popen(command, env=environment, stderr=log)
    try:
        eventually(lambda: is_listening(port) or process.poll() is not None)
        assert process.poll() is None, (folder / "socket.log").read_text()
        yield SocketApi(port=port, folder=folder, process=process)
    finally:
        process.kill()
        process.wait()


@contextmanager
def management(url: str, *, secret_key: str = SECRET_KEY) -> Iterator[Any]:
    """AWS's own client of the management API at a URL."""
    session = boto3.Session(aws_access_key_id=ACCESS_KEY, aws_secret_access_key=secret_key, region_name=REGION)
    options: dict[str, Any] = {"retries": {"total_max_attempts": 1}, "proxies": {}}
    client = session.client("apigatewaymanagementapi", endpoint_url=url, config=Config(**options))
    with closing(client):
        yield client


def presigned(websocket_url: str, credentials: Credentials, *, seconds: int = 60) -> str:
    """Return a URL to connect to, signed in its query, as a page does it."""
    request = AWSRequest(method="GET", url=websocket_url.replace("ws:", "http:"))
    SigV4QueryAuth(credentials, "execute-api", REGION, expires=seconds).add_auth(request)
    return str(request.url).replace("http:", "ws:")


@contextmanager
def deaf_client(websocket_url: str) -> Iterator[socket.socket]:
    """A client that has connected and then reads nothing any more."""
    url = urlsplit(websocket_url)
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(PATIENCE_SECONDS)
        client.connect((LOOPBACK, int(url.port or 0)))
        key = base64.b64encode(secrets.token_bytes(16)).decode()
        client.sendall(
            f"GET {url.path}?{url.query} HTTP/1.1\r\nHost: {url.netloc}\r\n"
            "Upgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
        )
        assert b" 101 " in client.recv(4096)
        yield client


def eventually(happened: Callable[[], object], seconds: float = PATIENCE_SECONDS) -> None:
    """Wait until something has happened."""
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, "it didn't happen in time"
        time.sleep(_POLL_SECONDS)
