"""A running stack with feedback, as the clients' tests use it."""

import os
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import boto3

from dropslot.core.errors import ConfigurationError
from dropslot.core.feedback import CONNECTION
from dropslot.local.clients import dynamodb_client
from dropslot.local.mapping.options import NOTIFY_OPTIONS, MappingOptions
from dropslot.local.options import LAMBDA, StackOptions
from dropslot.local.parts import Parts
from dropslot.local.stack import Stack
from tests.browser.handlers import GATES
from tests.e2e.conftest import ROOT, skip_or_fail

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

TYPE: Final = "orders"
#: Pause between two reads of a shard, the consumer's and those for the pushes; AWS reads once a second.
POLL_SECONDS: Final = 0.1
#: A gate is looked at this often; no test takes so long that an order fails of it.
_SETTINGS: Final = {"DROPSLOT_RETRY_SCHEDULE_SECONDS": ",".join(["0.5"] * 500)}
_MAPPING: Final = MappingOptions(batching_window_seconds=0, poll_seconds=POLL_SECONDS, sweep_every_seconds=0.5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kitchen:
    """A running stack, and what tests do to it.

    Args:
        stack: the stack.
        dynamodb: client of its tables.
        gates: folder of the gates.
        caller: the caller's part of the ids.
    """

    stack: Stack
    dynamodb: "DynamoDBClient"
    gates: Path
    caller: str

    @classmethod
    @contextmanager
    def running(cls, folder: Path, *, caller: str = "-", **choices: Any) -> Iterator[Self]:
        """Start a stack; skips or fails on a machine that lacks a part of it."""
        try:
            Parts.find(os.environ, ROOT)
        except ConfigurationError as missing:
            skip_or_fail(str(missing))
        gates = folder / "gates"
        gates.mkdir()
        python_path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
        options = StackOptions(
            handler="tests.browser.handlers:order",
            config=Path(__file__).with_name("dropslot.toml"),
            log_dir=folder / "logs",
            consumer=LAMBDA,
            mapping=_MAPPING,
            feedback=True,
            notify=replace(NOTIFY_OPTIONS, poll_seconds=POLL_SECONDS),
            consumer_env={**_SETTINGS, GATES: str(gates), "PYTHONPATH": python_path},
            **choices,
        )
        with Stack(options, os.environ) as stack, closing(dynamodb_client(stack.info.dynamodb_endpoint)) as dynamodb:
            yield cls(stack=stack, dynamodb=dynamodb, gates=gates, caller=caller)
            stack.check()

    def open_gate(self, dish: str) -> None:
        """Have the orders of a dish made."""
        (self.gates / dish).touch()

    def item(self, request_id: str) -> Mapping[str, Any]:
        """Read a request as it is stored."""
        key = {"id": {"S": f"{self.caller}#{TYPE}#{request_id}"}}
        return self.dynamodb.get_item(TableName=self.stack.info.table, Key=key, ConsistentRead=True).get("Item", {})

    def orders(self, dish: str) -> list[str]:
        """Return the ids of all stored orders of a dish."""
        rows = self.dynamodb.scan(TableName=self.stack.info.table, ConsistentRead=True)["Items"]
        return [row["id"]["S"] for row in rows if dish in row["request"]["S"]]

    def watches(self, request_id: str) -> int:
        """Return how many watches there are, or have been, of a request that isn't settled."""
        return sum(row["id"]["S"] == f"{self.caller}#{TYPE}#{request_id}" for row in self._rows())

    def lose_watches(self, request_id: str) -> None:
        """Have nobody told of a request's outcome, as when a push is lost."""
        self._delete_rows(f"{self.caller}#{TYPE}#{request_id}")

    def forget_connections(self) -> None:
        """Have the server refuse further watches on the connections there are."""
        self._delete_rows("@")

    def _delete_rows(self, prefix: str) -> None:
        for row in self._rows():
            if row["id"]["S"].startswith(prefix):
                key = {"id": row["id"], CONNECTION: row[CONNECTION]}
                self.dynamodb.delete_item(TableName=self._connections, Key=key)

    def cut_connections(self) -> int:
        """Close all connections that watch from the server's side; return how many there were."""
        url = self.stack.info.websocket_url
        assert url is not None
        connections = {row[CONNECTION]["S"] for row in self._rows()}
        with closing(
            boto3.client(
                "apigatewaymanagementapi",
                endpoint_url=url.replace("ws:", "http:"),
                region_name=self.stack.info.region,
                aws_access_key_id="local",
                aws_secret_access_key="local",
            )
        ) as management:
            return sum(_is_cut(management, connection) for connection in connections)

    def _rows(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        rows += self.dynamodb.scan(TableName=self._connections, ConsistentRead=True)["Items"]
        return rows

    @property
    def _connections(self) -> str:
        table = self.stack.info.connections_table
        assert table is not None
        return table


def _is_cut(management: Any, connection: str) -> bool:
    """Close a connection; False if it was closed already: of a page that has gone, watches stay for a while."""
    try:
        management.delete_connection(ConnectionId=connection)
    except management.exceptions.GoneException:
        return False
    return True
