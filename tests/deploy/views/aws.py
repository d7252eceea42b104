"""Clients for the emulator, one for each service."""

from collections.abc import Sequence
from typing import Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

_GONE: Final = ("404", "NotFound", "NoSuch", "NonExist", "DoesNotExist")


class GoneError(LookupError):
    """There is no such thing."""


class Aws:
    """Makes each client once.

    Args:
        endpoint: URL that stands for all of AWS.
        region: of the emulator.
    """

    def __init__(self, endpoint: str, *, region: str) -> None:
        self._session = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name=region)
        self._endpoint = endpoint
        self._clients: dict[str, Any] = {}

    def __call__(self, service: str) -> Any:
        """Return the client of a service."""
        if service not in self._clients:
            self._clients[service] = self._session.client(  # type: ignore[call-overload]  # any service
                service,
                endpoint_url=self._endpoint,
                config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}),
            )
        return self._clients[service]

    def close(self) -> None:
        """Close all clients."""
        for client in self._clients.values():
            client.close()


def only(found: Sequence[Any]) -> Any:
    """Return the one that was found.

    Raises:
        GoneError: nothing was found.
    """
    if not found:
        raise GoneError
    (one,) = found
    return one


def says_gone(error: Exception) -> bool:
    """Tell whether an error means that there is no such thing."""
    if isinstance(error, ClientError):
        return any(word in error.response["Error"]["Code"].replace(".", "") for word in _GONE)
    return isinstance(error, GoneError)
