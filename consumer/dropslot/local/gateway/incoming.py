"""A request as it came in."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self
from urllib.parse import quote

from starlette.requests import HTTPConnection, Request


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """A request as it came in.

    Args:
        method: in upper case.
        path: as sent, percent-encoded.
        raw_query: what follows the question mark, as sent.
        query: the same, decoded.
        headers: name to value.
        body: None when it was too large to be read.
        source_ip: address of the client.
    """

    method: str
    path: str
    raw_query: str = ""
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes | None
    source_ip: str

    @classmethod
    def of(cls, connection: HTTPConnection, *, method: str, body: bytes | None) -> Self:
        """Return what came in by a connection."""
        raw_path: bytes | None = connection.scope.get("raw_path")
        return cls(
            method=method,
            path=raw_path.decode("latin-1") if raw_path is not None else quote(connection.url.path),
            raw_query=connection.scope["query_string"].decode("latin-1"),
            query=dict(connection.query_params),
            # HTTP servers hand header names on in lower case, as HTTP/2 clients send them.
            headers=dict(connection.headers),
            body=body,
            source_ip=connection.client.host if connection.client is not None else "",
        )

    @classmethod
    async def read(cls, request: Request, *, body_max_bytes: int) -> Self:
        """Return a request with its body, or without one that is too large: it isn't kept then."""
        chunks: list[bytes] = []
        size = 0
        async for chunk in request.stream():
            size += len(chunk)
            if size <= body_max_bytes:
                chunks.append(chunk)
            else:
                # Read on, so that the client gets the answer instead of a broken connection.
                chunks.clear()
        return cls.of(request, method=request.method, body=b"".join(chunks) if size <= body_max_bytes else None)

    def header(self, name: str) -> str | None:
        """Return a header whatever the case of its name, as the HTTP layer itself looks at it."""
        return next((value for key, value in self.headers.items() if key.lower() == name), None)
