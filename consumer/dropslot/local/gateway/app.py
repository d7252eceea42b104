"""The gateway as an ASGI application."""

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from dropslot.core.errors import ConfigurationError
from dropslot.local.gateway.authentication import Authentication
from dropslot.local.gateway.backend import HttpBackend
from dropslot.local.gateway.callers import Callers
from dropslot.local.gateway.document import Document
from dropslot.local.gateway.gateway import PAYLOAD_MAX_BYTES, Gateway
from dropslot.local.gateway.incoming import Incoming


def create_app(document: Mapping[str, Any], *, dynamodb_endpoint: str, callers: Callers | None = None) -> Starlette:
    """Make the application that serves a document.

    Args:
        document: decoded OpenAPI 3.0 with API Gateway's extensions.
        dynamodb_endpoint: URL of the DynamoDB that integrations call.
        callers: who may call operations that ask who calls; without any, nobody may.

    Raises:
        ConfigurationError: the document holds something that can't be served here; all faults are named.
    """
    read = Document.read(document)
    unserved = {operation.service for methods in read.operations.values() for operation in methods.values()}
    unserved = {service for service in unserved if not HttpBackend.serves(service)}
    if unserved:
        raise ConfigurationError(*(f"integrations with {service} can't be served here" for service in sorted(unserved)))
    # Made here rather than in the lifespan: the pool opens nothing before its first call.
    backend = HttpBackend({"dynamodb": dynamodb_endpoint.rstrip("/")})
    authentication = Authentication(callers if callers is not None else Callers())
    gateway = Gateway(read, backend, authentication, now_ms=lambda: time.time_ns() // 1_000_000)

    async def endpoint(scope: Scope, receive: Receive, send: Send) -> None:
        answer = await gateway.answer(await _incoming(Request(scope, receive)))
        response = Response(answer.body.encode("utf-8", "replace"), answer.status, dict(answer.headers))
        await response(scope, receive, send)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await backend.close()

    app = Starlette(lifespan=lifespan)
    # The document alone knows paths and methods: a route here would answer some of them by itself, in plain text.
    app.router.default = endpoint
    return app


async def _incoming(request: Request) -> Incoming:
    raw_path: bytes | None = request.scope.get("raw_path")
    return Incoming(
        method=request.method,
        path=raw_path.decode("latin-1") if raw_path is not None else quote(request.url.path),
        raw_query=request.scope["query_string"].decode("latin-1"),
        query=dict(request.query_params),
        # HTTP servers hand header names on in lower case, as HTTP/2 clients send them.
        headers=dict(request.headers),
        body=await _body(request),
        source_ip=request.client.host if request.client is not None else "",
    )


async def _body(request: Request) -> bytes | None:
    """Read the body, or give up on one over the limit without keeping it."""
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size <= PAYLOAD_MAX_BYTES:
            chunks.append(chunk)
        else:
            # Read on, so that the client gets the answer instead of a broken connection.
            chunks.clear()
    return b"".join(chunks) if size <= PAYLOAD_MAX_BYTES else None
