"""Signatures: the same as botocore's, to the letter."""

import calendar
import time
from urllib.parse import quote

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotocoreCredentials

from dropslot.adapters.wire.signature import Credentials, signed_headers

HEADERS = {
    "content-type": "application/x-amz-json-1.0",
    "x-amz-target": "DynamoDB_20120810.BatchExecuteStatement",
}


@pytest.mark.parametrize("path", ["/", "/prod/@connections/L0SM9cOFvHcCIhw%3D"])
@pytest.mark.parametrize("token", ["", "FwoGZXIvYXdzEBYaDH+/=="])
@pytest.mark.parametrize("host", ["dynamodb.eu-central-1.amazonaws.com", "127.0.0.1:4567"])
@pytest.mark.parametrize("body", [b"{}", '{"é": "🙂"}'.encode(), b"x" * 100_000])
def test_it_is_what_botocore_makes(host: str, body: bytes, token: str, path: str) -> None:
    """Given botocore's signature of a call, then ours of the same second is the same."""
    scheme = "http" if ":" in host else "https"
    request = AWSRequest(method="POST", url=f"{scheme}://{host}{path}", data=body, headers={**HEADERS, "host": host})
    credentials = BotocoreCredentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", token or None)
    SigV4Auth(credentials, "execute-api", "eu-central-1").add_auth(request)
    moment = calendar.timegm(time.strptime(request.headers["X-Amz-Date"], "%Y%m%dT%H%M%SZ"))

    headers = signed_headers(
        body,
        {**HEADERS, "host": host},
        canonical_path=quote(path),
        service="execute-api",
        region="eu-central-1",
        credentials=Credentials(
            access_key="AKIDEXAMPLE", secret_key="wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", token=token
        ),
        now_epoch_seconds=moment + 0.9,
    )
    assert headers["authorization"] == request.headers["Authorization"]
    assert headers["x-amz-date"] == request.headers["X-Amz-Date"]
    assert headers.get("x-amz-security-token", "") == token


def test_credentials_do_not_show_their_secrets() -> None:
    """Given their representation, then neither key nor token is in it."""
    assert repr(Credentials(access_key="AKID", secret_key="hush", token="hushhush")) == "Credentials(AKID)"
