"""Callers of an API: what they send along to prove who they are."""

from collections.abc import Callable, Iterator, Mapping

import boto3
import httpx
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials, ReadOnlyCredentials

SERVICE = "execute-api"


class Signed(httpx.Auth):
    """Signs each call with AWS credentials, as API Gateway wants it with auth `iam`.

    Args:
        credentials: returns those of the moment: temporary ones are renewed under way.
        region: of the API.
        headers: further ones to sign.
    """

    requires_request_body = True

    def __init__(
        self,
        credentials: Callable[[], Credentials | ReadOnlyCredentials],
        region: str,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self._credentials = credentials
        self._region = region
        self._headers = headers if headers is not None else {}

    def auth_flow(self, request: httpx.Request) -> Iterator[httpx.Request]:  # type: ignore[override]
        """Sign host, time, path, query and body."""
        call = AWSRequest(method=request.method, url=str(request.url), data=request.content, headers=self._headers)
        SigV4Auth(self._credentials(), SERVICE, self._region).add_auth(call)
        request.headers.update(dict(call.headers.items()))
        yield request


class Keyed(httpx.Auth):
    """Sends an API key along."""

    def __init__(self, value: str) -> None:
        self._value = value

    def auth_flow(self, request: httpx.Request) -> Iterator[httpx.Request]:  # type: ignore[override]
        """Add the header."""
        request.headers["x-api-key"] = self._value
        yield request


def caller_from(environment: Mapping[str, str], session: boto3.Session) -> tuple[httpx.Auth | None, str]:
    """Return what a deployed stack is called with, and the caller's part of the ids in its table.

    Args:
        environment: ``DROPSLOT_AUTH=iam`` signs with the session's credentials, ``DROPSLOT_API_KEY`` is sent, and
            without both nothing is. ``DROPSLOT_CALLER`` says what the part is, where AWS can't be asked.
        session: credentials and region.

    Raises:
        ValueError: saying what is missing.
    """
    kind, key, caller = (environment.get(f"DROPSLOT_{name}", "") for name in ("AUTH", "API_KEY", "CALLER"))
    if kind not in {"", "none", "iam", "api_key"}:
        raise ValueError(f"DROPSLOT_AUTH={kind}: the suite can call with iam, api_key or none")
    if kind == "iam":
        credentials = session.get_credentials()
        if credentials is None or session.region_name is None:
            raise ValueError("DROPSLOT_AUTH=iam needs AWS credentials and AWS_REGION")
        return Signed(credentials.get_frozen_credentials, session.region_name), caller or _own_id(session)
    if kind == "api_key" or (key and not kind):
        if not key or not caller:
            raise ValueError("calls with an API key need DROPSLOT_API_KEY, its value, and DROPSLOT_CALLER, its id")
        return Keyed(key), caller
    return None, caller or "-"


def _own_id(session: boto3.Session) -> str:
    """Ask AWS for the unique id of the role or user that the credentials are of."""
    client = session.client("sts")
    try:
        return str(client.get_caller_identity()["UserId"]).partition(":")[0]
    finally:
        client.close()
