"""The sides of the table of journals that one suite holds to one contract."""

import uuid
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final, Protocol

import pytest

from dropslot.adapters.journal.dynamodb import DynamoDBJournal
from dropslot.adapters.journal.memory import MemoryJournal
from dropslot.adapters.journal.rows import key_attributes
from dropslot.core.journal import Key
from dropslot.engine.journal_port import Journal, Journals
from dropslot.local.clients import dynamodb_client
from dropslot.local.tables import ensure_journal
from tests.contract.conftest import OpenCalls
from tests.unit.core.images import Image

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

#: The ways to a real table.
WAYS: Final = ("boto3", "direct")


class Port(Journal, Journals, Protocol):
    """All that each side can do."""


class Table:
    """The table under test, with a way to place, see and delete items.

    Args:
        journal: the side of the port.
        put: places an item in DynamoDB's JSON.
        get: returns an item, None when it isn't there.
        delete: deletes one.
    """

    def __init__(
        self,
        journal: Port,
        put: Callable[[Image], object],
        get: Callable[[Key], dict[str, Any] | None],
        delete: Callable[[Key], object],
    ) -> None:
        self.journal = journal
        self.put = put
        self.get = get
        self.delete = delete


class RealTable:
    """Plain puts and gets beside the port."""

    def __init__(self, client: "DynamoDBClient", name: str, endpoint: str) -> None:
        self._client = client
        self.name = name
        self.endpoint = endpoint

    def put(self, item: Image) -> None:
        """Place an item."""
        self._client.put_item(TableName=self.name, Item=item)

    def get(self, key: Key) -> dict[str, Any] | None:
        """Return an item, None when it isn't there."""
        answer = self._client.get_item(TableName=self.name, Key=key_attributes(key), ConsistentRead=True)
        return answer.get("Item")

    def delete(self, key: Key) -> None:
        """Delete an item."""
        self._client.delete_item(TableName=self.name, Key=key_attributes(key))

    def empty(self) -> None:
        """Delete all items."""
        pages = self._client.get_paginator("scan").paginate(TableName=self.name)
        keys = [{"id": item["id"], "run": item["run"]} for page in pages for item in page["Items"]]
        for start in range(0, len(keys), 25):
            deletes = [{"DeleteRequest": {"Key": key}} for key in keys[start : start + 25]]
            self._client.batch_write_item(RequestItems={self.name: deletes})  # type: ignore[dict-item]


@pytest.fixture(scope="module")
def shared_table(dynamodb_endpoint: str) -> Iterator[RealTable]:
    """One real table for all tests of a module: making one takes longer than most of them."""
    client = dynamodb_client(dynamodb_endpoint)
    name = f"journal-{uuid.uuid4().hex[:12]}"
    ensure_journal(client, name)
    yield RealTable(client, name, dynamodb_endpoint)
    client.delete_table(TableName=name)
    client.close()


@pytest.fixture(params=["memory", *WAYS])
def table(request: pytest.FixtureRequest) -> Iterator[Table]:
    """Each side, empty; the real one as consumers reach it, on containers and on Lambda."""
    if request.param == "memory":
        twin = MemoryJournal()
        yield Table(twin, twin.put, lambda key: twin.items.get((key.id, key.sort)), twin.delete)
        return
    real: RealTable = request.getfixturevalue("shared_table")
    open_calls: OpenCalls = request.getfixturevalue("open_calls")
    journal = DynamoDBJournal(open_calls(request.param, real.endpoint, real.name))
    yield Table(journal, real.put, real.get, real.delete)
    real.empty()


@pytest.fixture(params=WAYS)
def unreachable(request: pytest.FixtureRequest, open_calls: OpenCalls, deaf_endpoint: str) -> Port:
    """A table whose port is bound and doesn't listen."""
    return DynamoDBJournal(open_calls(request.param, deaf_endpoint, "journal"))


@pytest.fixture(params=WAYS)
def missing(request: pytest.FixtureRequest, open_calls: OpenCalls, dynamodb_endpoint: str) -> Port:
    """A table that nobody made."""
    return DynamoDBJournal(open_calls(request.param, dynamodb_endpoint, "never-made"))
