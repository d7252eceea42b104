"""The ways to a real table, for the suites that hold them and a twin to one contract."""

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Final, TypeAlias

import pytest

from dropslot.adapters.wire.calls import Calls
from dropslot.adapters.wire.connections import Connections
from dropslot.adapters.wire.sdk import Boto3Calls, make_client
from dropslot.adapters.wire.signature import Credentials
from tests.contract.calls import OneCallAConnection

REGION: Final = "us-east-1"

#: Opens the calls of a table: way, endpoint, name.
OpenCalls: TypeAlias = Callable[[str, str, str], Calls]


@pytest.fixture
def open_calls(monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenCalls]:
    """Open a table by one of the ways, `boto3` or `direct`."""
    with ExitStack() as opened:

        def calls_of(way: str, endpoint: str, name: str) -> Calls:
            if way == "direct":
                credentials = Credentials(access_key="local", secret_key="local")
                return OneCallAConnection(Connections(endpoint), name, region=REGION, credentials=credentials)
            monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", endpoint)
            monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
            monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
            calls = Boto3Calls(make_client(REGION), name)
            opened.callback(calls.close)
            return calls

        yield calls_of


@pytest.fixture
def deaf_endpoint() -> Iterator[str]:
    """URL of a port that is bound and doesn't listen."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"
