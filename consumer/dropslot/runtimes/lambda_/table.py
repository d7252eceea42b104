"""The table as the functions reach it: directly where all is as Lambda sets it, else by the SDK."""

import re
from collections.abc import Mapping
from typing import Final, Protocol

from dropslot.adapters.requests.connections import Connections
from dropslot.adapters.requests.direct import DirectRequests
from dropslot.adapters.requests.signature import Credentials
from dropslot.engine.ports import Requests, UnfinishedCount

#: Regions whose endpoints are called ``dynamodb.<region>.amazonaws.com``.
_REGION: Final = re.compile(r"(af|ap|ca|eu|il|me|mx|sa|us)-(gov-)?[a-z]+-\d")

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


class Table(Requests, UnfinishedCount, Protocol):
    """All that the functions do with the table."""


def open_table(environment: Mapping[str, str], *, table: str, region: str) -> Table:
    """Return the table of requests, with connections that outlive an invocation.

    Args:
        environment: of the process. Lambda hands the role's credentials over in it, and they live as long as it does.
        table: name of the table.
        region: its region.
    """
    access_key, secret_key = environment.get("AWS_ACCESS_KEY_ID"), environment.get("AWS_SECRET_ACCESS_KEY")
    url = environment.get("AWS_ENDPOINT_URL_DYNAMODB") or environment.get("AWS_ENDPOINT_URL") or _public_url(region)
    if not access_key or not secret_key or not url or _needs_sdk(environment, url):
        # Only here: importing it is what the other way is there to avoid.
        from dropslot.adapters.requests.dynamodb import DynamoDBRequests, make_client  # noqa: PLC0415

        return DynamoDBRequests(make_client(region), table)
    return DirectRequests(
        Connections(url),
        table,
        region=region,
        credentials=Credentials(
            access_key=access_key, secret_key=secret_key, token=environment.get("AWS_SESSION_TOKEN", "")
        ),
    )


def _public_url(region: str) -> str | None:
    return f"https://dynamodb.{region}.amazonaws.com" if _REGION.fullmatch(region) else None


def _needs_sdk(environment: Mapping[str, str], url: str) -> bool:
    encrypted = TLS_VARIABLES if url.startswith("https:") else ()
    return any(environment.get(name) for name in (*SDK_VARIABLES, *encrypted))
