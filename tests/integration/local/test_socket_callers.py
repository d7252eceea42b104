"""Who may connect to the local WebSocket API: signatures in headers and in the URL, and API keys."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from websockets.exceptions import InvalidStatus

from dropslot.local.clients import REGION
from tests.integration.local.sockets import SocketApi, presigned, running_socket_api

CALLERS: Final = """
[[role_sessions]]
access_key = "ASIASHOP"
secret_key = "s3cret"
role = "shop"
role_id = "AROASHOP"
name = "i-0123"

[[api_keys]]
id = "k1"
value = "a-long-value"
"""
SHOP: Final = Credentials("ASIASHOP", "s3cret")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the callers."""
    folder = tmp_path_factory.mktemp("socket")
    (folder / "callers.toml").write_text(CALLERS)
    return folder


@pytest.fixture(scope="module")
def signed(folder: Path) -> Iterator[SocketApi]:
    """An API that wants signatures."""
    with running_socket_api(folder, auth="iam", callers=folder / "callers.toml") as api:
        yield api


def refusal(api: SocketApi, asked: str = "", **options: Any) -> int:
    """Try to connect and return the status of the refusal."""
    with pytest.raises(InvalidStatus) as raised, api.connect(asked, **options):
        pass
    return raised.value.response.status_code


def headers(api: SocketApi, credentials: Credentials = SHOP, *, region: str = REGION) -> dict[str, str]:
    """Return the headers of a signed handshake."""
    request = AWSRequest(method="GET", url=api.callback_url)
    SigV4Auth(credentials, "execute-api", region).add_auth(request)
    return {name: value for name, value in request.headers.items() if name.lower() != "host"}


def query(api: SocketApi, credentials: Credentials = SHOP) -> str:
    """Return the query of a presigned URL."""
    return f"?{urlsplit(presigned(f'{api.url}?color=red', credentials)).query}"


def test_a_signed_handshake_tells_the_function_who_calls(signed: SocketApi) -> None:
    """Given a handshake signed in its headers, then the event names the role's session."""
    with signed.connect(additional_headers=headers(signed)):
        identity = signed.events("CONNECT")[-1]["requestContext"]["identity"]

    assert identity["caller"] == "AROASHOP:i-0123"
    assert identity["userArn"].endswith("assumed-role/shop/i-0123")
    assert identity["sourceIp"] == "127.0.0.1"


def test_so_does_a_presigned_url(signed: SocketApi) -> None:
    """Given a handshake signed in its query, as by a page, then the event names the same."""
    with signed.connect(query(signed)):
        event = signed.events("CONNECT")[-1]

    assert event["requestContext"]["identity"]["caller"] == "AROASHOP:i-0123"
    assert event["queryStringParameters"]["color"] == "red"


def test_who_is_not_known_is_not_let_in(signed: SocketApi) -> None:
    """Given handshakes with no signature, another secret, another key or another region, then all get 403."""
    before = len(signed.events("CONNECT"))
    wrong, stranger = Credentials("ASIASHOP", "another"), Credentials("ASIANOBODY", "s3cret")

    assert refusal(signed) == 403
    for credentials in (wrong, stranger):
        assert refusal(signed, additional_headers=headers(signed, credentials)) == 403
        assert refusal(signed, query(signed, credentials)) == 403
    assert refusal(signed, additional_headers=headers(signed, region="eu-west-1")) == 403
    assert refusal(signed, query(signed).replace("color=red", "color=blue")) == 403
    assert len(signed.events("CONNECT")) == before


def test_an_api_key_names_its_caller(folder: Path, tmp_path: Path) -> None:
    """Given an API that wants keys, then a known one is let in under its id, and another or none isn't."""
    with running_socket_api(tmp_path, auth="api_key", callers=folder / "callers.toml") as api:
        assert refusal(api) == 403
        assert refusal(api, additional_headers={"x-api-key": "a-long-valuf"}) == 403
        with api.connect(additional_headers={"x-api-key": "a-long-value"}):
            identity = api.events("CONNECT")[-1]["requestContext"]["identity"]

    assert identity["apiKeyId"] == "k1"
