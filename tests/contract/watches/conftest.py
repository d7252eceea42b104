"""The sides of the table of connections that one suite holds to one contract."""

import socket
import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import pytest

from dropslot.adapters.watches.dynamodb import DynamoDBWatches
from dropslot.adapters.watches.memory import MemoryWatches
from dropslot.adapters.wire.connections import Connections
from dropslot.adapters.wire.signature import Credentials
from dropslot.core.feedback import CONNECTION
from dropslot.engine.feedback_ports import Watches
from dropslot.local.clients import dynamodb_client
from tests.contract.calls import OneCallAConnection

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

REGION: Final = "us-east-1"


class RealTable:
    """A real table of connections, as it is deployed.

    Args:
        client: of DynamoDB.
        name: of the table.
        endpoint: of DynamoDB.
    """

    def __init__(self, client: "DynamoDBClient", name: str, endpoint: str) -> None:
        self._client = client
        self.name = name
        self.endpoint = endpoint

    def rows(self) -> list[dict[str, Any]]:
        """Return all rows in DynamoDB's JSON."""
        pages = self._client.get_paginator("scan").paginate(TableName=self.name)
        return [item for page in pages for item in page["Items"]]

    def put(self, row: dict[str, Any]) -> None:
        """Write a row as it is, in DynamoDB's JSON."""
        self._client.put_item(TableName=self.name, Item=row)

    def empty(self) -> None:
        """Delete all rows."""
        for row in self.rows():
            self._client.delete_item(TableName=self.name, Key={"id": row["id"], CONNECTION: row[CONNECTION]})


@pytest.fixture(scope="module")
def shared_connections(dynamodb_endpoint: str) -> Iterator[RealTable]:
    """One real table for all tests of a module."""
    client = dynamodb_client(dynamodb_endpoint)
    name = f"connections-{uuid.uuid4().hex[:12]}"
    make_connections_table(client, name)
    yield RealTable(client, name, dynamodb_endpoint)
    client.delete_table(TableName=name)
    client.close()


def make_connections_table(client: "DynamoDBClient", name: str) -> None:
    """Make a table as it is deployed."""
    client.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}, {"AttributeName": CONNECTION, "KeyType": "RANGE"}],
        AttributeDefinitions=[
            {"AttributeName": "id", "AttributeType": "S"},
            {"AttributeName": CONNECTION, "AttributeType": "S"},
        ],
    )
    client.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1})


def direct(endpoint: str, name: str) -> DynamoDBWatches:
    """Return the real side."""
    credentials = Credentials(access_key="local", secret_key="local")
    return DynamoDBWatches(OneCallAConnection(Connections(endpoint), name, region=REGION, credentials=credentials))


@pytest.fixture(params=["memory", "direct"])
def watches(request: pytest.FixtureRequest) -> Iterator[Watches]:
    """Each side, empty."""
    if request.param == "memory":
        yield MemoryWatches()
        return
    real: RealTable = request.getfixturevalue("shared_connections")
    yield direct(real.endpoint, real.name)
    real.empty()


@pytest.fixture
def real_watches(shared_connections: RealTable) -> Iterator[DynamoDBWatches]:
    """The real side alone, for what only its rows show."""
    yield direct(shared_connections.endpoint, shared_connections.name)
    shared_connections.empty()


@pytest.fixture
def unreachable() -> Iterator[Watches]:
    """A table whose port is bound and doesn't listen."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield direct(f"http://127.0.0.1:{bound.getsockname()[1]}", "connections")


@pytest.fixture
def missing(dynamodb_endpoint: str) -> Watches:
    """A table that nobody made."""
    return direct(dynamodb_endpoint, "never-made")
