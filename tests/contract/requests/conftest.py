"""The sides of the table of requests that one suite holds to one contract."""

import uuid
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final, Protocol

import pytest

from dropslot.adapters.requests.dynamodb import DynamoDBRequests
from dropslot.adapters.requests.memory import MemoryRequests
from dropslot.core.transitions import Insert, Write
from dropslot.engine.ports import PauseSign, Requests, Restoring, UnfinishedCount, WriteResult
from dropslot.local.clients import dynamodb_client
from dropslot.local.tables import ensure_table
from tests.contract.conftest import OpenCalls
from tests.unit.core.images import Image

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

#: The ways to a real table.
WAYS: Final = ("boto3", "direct")


class Port(Requests, Restoring, PauseSign, UnfinishedCount, Protocol):
    """All that each side can do."""


class Table:
    """The table under test, with a way to place and see items.

    Args:
        requests: the side of the port.
        put: places an item in DynamoDB's JSON.
        get: returns an item, None when it isn't there.
    """

    def __init__(
        self, requests: Port, put: Callable[[Image], object], get: Callable[[str], dict[str, Any] | None]
    ) -> None:
        self.requests = requests
        self.put = put
        self.get = get

    async def write(self, write: Write) -> WriteResult:
        """Make one write."""
        (result,) = await self.requests.write([write])
        return result

    async def restore(self, insert: Insert) -> WriteResult:
        """Make one item."""
        (result,) = await self.requests.restore([insert])
        return result


class RealTable:
    """Plain puts and gets beside the port."""

    def __init__(self, client: "DynamoDBClient", name: str, endpoint: str) -> None:
        self._client = client
        self.name = name
        self.endpoint = endpoint

    def put(self, item: Image) -> None:
        """Place an item."""
        self._client.put_item(TableName=self.name, Item=item)

    def get(self, key: str) -> dict[str, Any] | None:
        """Return an item, None when it isn't there."""
        answer = self._client.get_item(TableName=self.name, Key={"id": {"S": key}}, ConsistentRead=True)
        return answer.get("Item")

    def empty(self) -> None:
        """Delete all items."""
        pages = self._client.get_paginator("scan").paginate(TableName=self.name, ProjectionExpression="id")
        keys = [item["id"] for page in pages for item in page["Items"]]
        for start in range(0, len(keys), 25):
            deletes = [{"DeleteRequest": {"Key": {"id": key}}} for key in keys[start : start + 25]]
            self._client.batch_write_item(RequestItems={self.name: deletes})  # type: ignore[dict-item]


@pytest.fixture(scope="module")
def shared_table(dynamodb_endpoint: str) -> Iterator[RealTable]:
    """One real table for all tests of a module: making one takes longer than most of them."""
    client = dynamodb_client(dynamodb_endpoint)
    name = f"requests-{uuid.uuid4().hex[:12]}"
    ensure_table(client, name)
    yield RealTable(client, name, dynamodb_endpoint)
    client.delete_table(TableName=name)
    client.close()


@pytest.fixture(params=["memory", *WAYS])
def table(request: pytest.FixtureRequest) -> Iterator[Table]:
    """Each side, empty; the real one as consumers reach it, on containers and on Lambda."""
    if request.param == "memory":
        twin = MemoryRequests()
        yield Table(twin, twin.put, twin.items.get)
        return
    real: RealTable = request.getfixturevalue("shared_table")
    open_calls: OpenCalls = request.getfixturevalue("open_calls")
    yield Table(DynamoDBRequests(open_calls(request.param, real.endpoint, real.name)), real.put, real.get)
    real.empty()


@pytest.fixture(params=WAYS)
def unreachable(request: pytest.FixtureRequest, open_calls: OpenCalls, deaf_endpoint: str) -> Port:
    """A table whose port is bound and doesn't listen."""
    return DynamoDBRequests(open_calls(request.param, deaf_endpoint, "requests"))


@pytest.fixture(params=WAYS)
def missing(request: pytest.FixtureRequest, open_calls: OpenCalls, dynamodb_endpoint: str) -> Port:
    """A table that nobody made."""
    return DynamoDBRequests(open_calls(request.param, dynamodb_endpoint, "never-made"))
