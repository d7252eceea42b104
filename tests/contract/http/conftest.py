"""A base URL that keeps the HTTP contract, and its table: the local gateway over DynamoDB Local, or a deployed stack.

`DROPSLOT_URL` names a deployed stack; `DROPSLOT_TABLE` its table, which the usual AWS credentials must open.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import httpx
import pytest

from dropslot.core.errors import DropslotError
from dropslot.local.clients import dynamodb_client
from dropslot.local.ports import free_ports
from dropslot.local.servers import running_dynamodb

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

CONFIG = """
[types.orders]
schema = "order.json"
[types.notes]
idempotency_headers = ["X-Delivery"]
kept_headers = ["X-Event"]
binary_types = ["application/octet-stream"]
"""
SCHEMA = {"type": "object", "required": ["dish"], "properties": {"dish": {"type": "string", "minLength": 1}}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """What the suite runs against: types `orders` (with a schema) and `notes`."""

    http: httpx.Client
    dynamodb: "DynamoDBClient"
    table: str
    caller: str

    def item(self, type_name: str, client_id: str) -> dict[str, Any] | None:
        """Read an item as it is stored."""
        answer = self.dynamodb.get_item(TableName=self.table, Key=self._key(type_name, client_id), ConsistentRead=True)
        return answer.get("Item")

    def settle(self, type_name: str, client_id: str, *, result: str | None = None, error: str | None = None) -> None:
        """Write an outcome as the consumer does."""
        item = self.item(type_name, client_id)
        assert item is not None
        digit = item["status"]["S"][-1]
        if error is not None:
            update = "SET #status = :status, queue = :status, #error = :text"
            names, values = {"#status": "status", "#error": "error"}, {":status": f"failed-{digit}", ":text": error}
        else:
            update = "SET #status = :status, #result = :text, #ttl = :ttl REMOVE queue"
            names = {"#status": "status", "#result": "result", "#ttl": "ttl"}
            values = {":status": f"done-{digit}", ":text": result or "null"}
        self.dynamodb.update_item(
            TableName=self.table,
            Key=self._key(type_name, client_id),
            UpdateExpression=update,
            ExpressionAttributeNames=names,
            ExpressionAttributeValues={
                **{name: {"S": value} for name, value in values.items()},
                # In the past: what has expired and isn't deleted yet counts as done.
                **({} if error is not None else {":ttl": {"N": "1700000000"}}),
            },
        )

    def _key(self, type_name: str, client_id: str) -> dict[str, Any]:
        return {"id": {"S": f"{self.caller}#{type_name}#{client_id}"}}


def _missing(reason: str) -> None:
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@contextmanager
def _local_dynamodb(folder: Path, port: int | None = None) -> Iterator[str]:
    try:
        server = running_dynamodb(folder, environment=dict(os.environ), port=port)
        endpoint = server.__enter__()
    except DropslotError as error:
        _missing(f"DynamoDB Local can't be started: {error}")
        raise
    try:
        yield endpoint
    finally:
        server.__exit__(None, None, None)


def _create_table(client: "DynamoDBClient", table: str) -> None:
    client.create_table(
        TableName=table,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )


@contextmanager
def _gateway(folder: Path, dynamodb_endpoint: str) -> Iterator[str]:
    """Run the gateway as a process and yield its URL, which it logs when it listens."""
    (folder / "order.json").write_text(json.dumps(SCHEMA))
    config = folder / "dropslot.toml"
    config.write_text(CONFIG)
    command = [sys.executable, "-m", "dropslot.local.gateway", "--dynamodb-endpoint", dynamodb_endpoint]
    log = folder / "gateway.log"
    with (
        log.open("w") as stderr,
        subprocess.Popen([*command, "--config", str(config)], stderr=subprocess.PIPE) as process,
    ):
        assert process.stderr is not None
        try:
            yield str(json.loads(process.stderr.readline())["url"])
        finally:
            process.terminate()
            rest = process.stderr.read().decode()
            stderr.write(rest)
        assert process.wait(timeout=10) == 0
        assert all(json.loads(line) for line in rest.splitlines())


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The stack under test."""
    url = os.environ.get("DROPSLOT_URL")
    if url is not None:
        with httpx.Client(base_url=url, timeout=35) as http:
            client = boto3.client("dynamodb")
            caller = os.environ.get("DROPSLOT_CALLER", "-")
            yield Stack(http=http, dynamodb=client, table=os.environ["DROPSLOT_TABLE"], caller=caller)
            client.close()
        return
    folder = tmp_path_factory.mktemp("http")
    with _local_dynamodb(folder) as endpoint, _gateway(folder, endpoint) as base_url:
        client = dynamodb_client(endpoint)
        _create_table(client, "requests")
        with httpx.Client(base_url=base_url, timeout=35, trust_env=False) as http:
            yield Stack(http=http, dynamodb=client, table="requests", caller="-")
        client.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """A gateway whose DynamoDB starts and stops."""

    http: httpx.Client
    start: Callable[[], AbstractContextManager[None]]


@pytest.fixture
def outage(tmp_path: Path) -> Iterator[Outage]:
    """A local stack of its own, with DynamoDB not running yet."""
    if os.environ.get("DROPSLOT_URL") is not None:
        pytest.skip("a deployed store can't be stopped")
    (port,) = free_ports(1)

    @contextmanager
    def start() -> Iterator[None]:
        with _local_dynamodb(tmp_path, port) as endpoint:
            client = dynamodb_client(endpoint)
            _create_table(client, "requests")
            client.close()
            yield

    with (
        _gateway(tmp_path, f"http://127.0.0.1:{port}") as base_url,
        httpx.Client(base_url=base_url, timeout=35, trust_env=False) as http,
    ):
        yield Outage(http=http, start=start)
