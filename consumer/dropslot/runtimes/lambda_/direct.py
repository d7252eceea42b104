"""The way to AWS without an SDK, for where all is as Lambda sets it."""

import re
from collections.abc import Mapping
from typing import Final, Self

import msgspec

from dropslot.adapters.wire.connections import Connections
from dropslot.adapters.wire.dynamodb import TableCalls
from dropslot.adapters.wire.signature import Credentials

#: Regions whose endpoints are called ``dynamodb.<region>.amazonaws.com``.
_REGION: Final = r"(af|ap|ca|eu|il|me|mx|sa|us)-(gov-)?[a-z]+-\d"

#: What only the SDK knows how to follow: other sources of credentials, other endpoints.
SDK_VARIABLES: Final = (
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_PROFILE",
    "AWS_USE_DUALSTACK_ENDPOINT",
    "AWS_USE_FIPS_ENDPOINT",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
)

#: The same, for connections that are encrypted.
TLS_VARIABLES: Final = ("AWS_CA_BUNDLE", "HTTPS_PROXY", "https_proxy")


class DirectWay(msgspec.Struct, frozen=True, kw_only=True):
    """What calls need.

    Args:
        dynamodb_url: DynamoDB's endpoint.
        region: of everything that is called.
        credentials: the role's. Lambda hands them over in variables, and they live as long as the process does.
    """

    dynamodb_url: str
    region: str
    credentials: Credentials

    @classmethod
    def find(cls, environment: Mapping[str, str], region: str) -> Self | None:
        """Return the way; None where only an SDK finds one.

        Args:
            environment: of the process.
            region: its region.
        """
        access_key, secret_key = environment.get("AWS_ACCESS_KEY_ID"), environment.get("AWS_SECRET_ACCESS_KEY")
        url = environment.get("AWS_ENDPOINT_URL_DYNAMODB") or environment.get("AWS_ENDPOINT_URL") or _public_url(region)
        if not access_key or not secret_key or not url or _needs_sdk(environment, url):
            return None
        token = environment.get("AWS_SESSION_TOKEN", "")
        credentials = Credentials(access_key=access_key, secret_key=secret_key, token=token)
        return cls(dynamodb_url=url, region=region, credentials=credentials)

    def table(self, name: str, connections: Connections) -> TableCalls:
        """Return calls of a table.

        Args:
            name: of the table.
            connections: to DynamoDB's endpoint.
        """
        return TableCalls(connections, name, region=self.region, credentials=self.credentials)


def _public_url(region: str) -> str | None:
    return f"https://dynamodb.{region}.amazonaws.com" if re.fullmatch(_REGION, region) else None


def _needs_sdk(environment: Mapping[str, str], url: str) -> bool:
    encrypted = TLS_VARIABLES if url.startswith("https:") else ()
    return any(environment.get(name) for name in (*SDK_VARIABLES, *encrypted))
