"""The signed call behind an operation, to an endpoint on this machine."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

import httpx
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

_TARGETS: Final = {"dynamodb": "DynamoDB_20120810"}
#: The local DynamoDB takes any key; with -sharedDb all see the same tables.
_CREDENTIALS: Final = Credentials("local", "local")
_CONNECTIONS_MAX: Final = 64


class BackendUnreachableError(Exception):
    """No answer came: nothing listens, or the connection broke."""


class BackendTimeoutError(Exception):
    """No answer came in time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendAnswer:
    """What the service answered."""

    status: int
    body: str


class Backend(Protocol):
    """Calls one action of an AWS service, once: the caller decides about repeats."""

    async def call(
        self, service: str, action: str, *, region: str, headers: Mapping[str, str], body: str, timeout_seconds: float
    ) -> BackendAnswer:
        """Call and return whatever the service answers.

        Raises:
            BackendUnreachableError: it can't be reached; the action may or may not have happened.
            BackendTimeoutError: no answer within the time; the action may or may not have happened.
        """
        ...


class HttpBackend:
    """Calls services over HTTP, with one pool of kept connections.

    Args:
        endpoints: service name to URL.
    """

    def __init__(self, endpoints: Mapping[str, str]) -> None:
        self._endpoints = endpoints
        self._client = httpx.AsyncClient(
            limits=httpx.Limits(max_connections=_CONNECTIONS_MAX, max_keepalive_connections=_CONNECTIONS_MAX),
            # Proxy settings are for other hosts than this one.
            trust_env=False,
        )

    async def call(  # noqa: D102 - the protocol says it
        self, service: str, action: str, *, region: str, headers: Mapping[str, str], body: str, timeout_seconds: float
    ) -> BackendAnswer:
        content = body.encode("utf-8", "surrogatepass")
        url = self._endpoints[service] + "/"
        request = AWSRequest(
            method="POST",
            url=url,
            data=content,
            headers={**headers, "X-Amz-Target": f"{_TARGETS[service]}.{action}"},
        )
        SigV4Auth(_CREDENTIALS, service, region).add_auth(request)
        try:
            response = await self._client.post(
                url, content=content, headers=dict(request.headers.items()), timeout=timeout_seconds
            )
        except httpx.TimeoutException as error:
            raise BackendTimeoutError from error
        except httpx.TransportError as error:
            raise BackendUnreachableError from error
        return BackendAnswer(status=response.status_code, body=response.text)

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    @staticmethod
    def serves(service: str) -> bool:
        """Tell whether calls to a service can be made."""
        return service in _TARGETS
