"""What the HTTP contract is tried on: a base URL and its table."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import httpx

from dropslot.core import names
from dropslot.local.tables import ensure_journal

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

#: When the requests were accepted whose steps are asked for.
ACCEPTED_AT_MS: Final = 1_764_381_600_000
_KEPT_SECONDS: Final = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """What the suite runs against: types `orders` (with a schema) and `notes`.

    Args:
        http: calls the API, as one caller.
        dynamodb: opens the tables.
        table: name of that of requests.
        caller: the caller's part of the ids.
    """

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

    def backdate(self, type_name: str, client_id: str, *, by_ms: int) -> None:
        """Make a request older than it is."""
        self.dynamodb.update_item(
            TableName=self.table,
            Key=self._key(type_name, client_id),
            UpdateExpression="ADD accepted_at :change",
            ExpressionAttributeValues={":change": {"N": str(-by_ms)}},
        )

    def walk(self, type_name: str, client_id: str, *steps: Mapping[str, Any], **run: Any) -> None:
        """Write a run into the journal; see `put_run`."""
        put_run(self.dynamodb, self.table, self._key(type_name, client_id)["id"]["S"], *steps, **run)

    def _key(self, type_name: str, client_id: str) -> dict[str, Any]:
        return {"id": {"S": f"{self.caller}#{type_name}#{client_id}"}}


def step(name: str, at: int, **attributes: Mapping[str, str]) -> dict[str, Any]:
    """Return a finished step, with a result that no client is to see."""
    return {"name": {"S": name}, "at": {"N": str(at)}, "result": {"S": '{"card": "secret"}'}, **attributes}


def put_run(
    client: "DynamoDBClient",
    table: str,
    item_id: str,
    *steps: Mapping[str, Any],
    run: int = 0,
    accepted_at: int = ACCEPTED_AT_MS,
    **attributes: Mapping[str, str],
) -> None:
    """Write a run into the journal, as the consumer leaves it.

    Args:
        client: opens the tables.
        table: name of that of requests.
        item_id: key of the request's item.
        steps: the finished ones.
        run: its number.
        accepted_at: of the request, in epoch milliseconds.
        attributes: further ones of the run.
    """
    item: dict[str, Any] = {
        "id": {"S": item_id},
        "run": {"S": names.run_key(accepted_at, run)},
        "attempt": {"N": "0"},
        "steps": {"L": [{"M": each} for each in steps]},
        # A deployed table forgets what the suite has left.
        "ttl": {"N": str(int(time.time()) + _KEPT_SECONDS)},
        **attributes,
    }
    client.put_item(TableName=journal_of(table), Item=item)


def journal_of(table: str) -> str:
    """Return the name of the table of finished steps beside a table of requests, deployed or not."""
    return f"{table.removesuffix('-requests')}-journal"


def create_tables(client: "DynamoDBClient", table: str) -> None:
    """Make a table of requests, and that of their steps."""
    ensure_journal(client, journal_of(table))
    client.create_table(
        TableName=table,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )


def drop_tables(client: "DynamoDBClient", table: str) -> None:
    """Take away what `create_tables` has made: another variant may come between, and this one again."""
    for each in (table, journal_of(table)):
        client.delete_table(TableName=each)


@contextmanager
def running_gateway(folder: Path, dynamodb_endpoint: str, *options: str) -> Iterator[str]:
    """Run the gateway as a process and yield its URL, which it logs when it listens."""
    command = [sys.executable, "-m", "dropslot.local.gateway", "--dynamodb-endpoint", dynamodb_endpoint]
    log = folder / "gateway.log"
    with (
        log.open("w") as stderr,
        subprocess.Popen([*command, *options], stderr=subprocess.PIPE) as process,
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
