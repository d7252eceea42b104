"""The gateway as an ASGI application."""

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

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
    targets = [operation.target for methods in read.operations.values() for operation in methods.values()]
    unserved = {target.service for target in targets if target is not None and not HttpBackend.serves(target.service)}
    if unserved:
        raise ConfigurationError(*(f"integrations with {service} can't be served here" for service in sorted(unserved)))
    # Made here rather than in the lifespan: the pool opens nothing before its first call.
    backend = HttpBackend({"dynamodb": dynamodb_endpoint.rstrip("/")})
    authentication = Authentication(callers if callers is not None else Callers())
    gateway = Gateway(read, backend, authentication, now_ms=lambda: time.time_ns() // 1_000_000)

    async def endpoint(scope: Scope, receive: Receive, send: Send) -> None:
        answer = await gateway.answer(await Incoming.read(Request(scope, receive), body_max_bytes=PAYLOAD_MAX_BYTES))
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
