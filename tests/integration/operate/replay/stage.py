"""A running stack without a consumer, as `dropslot replay` finds it: a table and a stream."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dropslot.adapters.requests.rows import state_from
from dropslot.core import names
from dropslot.local.clients import dynamodb_client, kinesis_client
from dropslot.operate.running import RunningStack, announced
from tests.integration.operate.operator import Outcome
from tests.integration.operate.replay.history import History, authored, happened, put_items
from tests.unit.core.images import Image

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_kinesis import KinesisClient


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """The stack, and what tests do with it.

    Args:
        dynamodb: client of its DynamoDB.
        kinesis: client of its Kinesis.
        table: name of its table.
        stream: name of its stream.
    """

    dynamodb: "DynamoDBClient"
    kinesis: "KinesisClient"
    table: str
    stream: str

    def happened(self, records: int, *, reshards: bool = False) -> History:
        """Put a history of at least so many records into stream and table."""
        return happened(
            authored(records, self.table),
            dynamodb=self.dynamodb,
            table=self.table,
            kinesis=self.kinesis,
            stream=self.stream,
            reshards=reshards,
        )

    def put(self, *items: Image) -> None:
        """Place items."""
        put_items(self.dynamodb, self.table, items)

    def tell(self, *payloads: bytes) -> tuple[str, str]:
        """Put records into one shard; return it, and the sequence number of the last one."""
        answers = [
            self.kinesis.put_record(StreamName=self.stream, Data=payload, PartitionKey="a") for payload in payloads
        ]
        return answers[-1]["ShardId"], answers[-1]["SequenceNumber"]

    def items(self) -> dict[str, dict[str, Any]]:
        """Return all items by id."""
        pages = self.dynamodb.get_paginator("scan").paginate(TableName=self.table, ConsistentRead=True)
        return {item["id"]["S"]: item for page in pages for item in page["Items"]}

    def attempts(self) -> dict[str, int]:
        """Return the attempt of each request that is there."""
        return {key: int(item["attempt"]["N"]) for key, item in self.items().items()}

    def settle(self, keys: set[str]) -> None:
        """Do what a consumer does: of these requests those that are pending are done."""
        settled: list[Image] = []
        for item in self.items().values():
            state = state_from(item)
            if state is not None and state.id in keys and state.status == names.PENDING:
                left = {name: value for name, value in item.items() if name != names.QUEUE}
                settled.append({**left, "status": {"S": f"done-{state.digit}"}, "ttl": {"N": "2000000000"}})
        self.put(*settled)


@contextmanager
def staged(
    *,
    dynamodb_endpoint: str,
    kinesis_endpoint: str,
    table: str,
    stream: str,
    folder: Path,
    pid: int,
    command_kinesis_endpoint: str | None = None,
) -> Iterator[Stage]:
    """Have commands in a folder find a stack.

    Args:
        dynamodb_endpoint: URL of its DynamoDB.
        kinesis_endpoint: URL of its Kinesis.
        table: name of its table.
        stream: name of its stream.
        folder: where commands are given.
        pid: of the process that has started it.
        command_kinesis_endpoint: what commands take for its Kinesis.
    """
    stack = RunningStack(
        pid=pid,
        dynamodb_endpoint=dynamodb_endpoint,
        kinesis_endpoint=command_kinesis_endpoint if command_kinesis_endpoint is not None else kinesis_endpoint,
        region="us-east-1",
        table=table,
        stream=stream,
        application=f"{stream}-app",
        consumer="kcl",
        positions=None,
    )
    with (
        announced(stack, folder),
        closing(dynamodb_client(dynamodb_endpoint)) as dynamodb,
        closing(kinesis_client(kinesis_endpoint)) as kinesis,
    ):
        yield Stage(dynamodb=dynamodb, kinesis=kinesis, table=table, stream=stream)


def acted_on(output: str) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return what a command printed as JSON: the records acted on, and the summary."""
    *lines, summary = [json.loads(line) for line in output.splitlines()]
    return lines, summary


def classes(outcome: Outcome) -> dict[str, int]:
    """Return a command's counts by class that aren't 0."""
    return {kind: number for kind, number in acted_on(outcome.out)[1]["classes"].items() if number}


@contextmanager
def started(*words: str, out: Path) -> Iterator["subprocess.Popen[str]"]:
    """Start a command as a process of its own, in the current folder; its output goes to a file: a pipe fills up."""
    command = [sys.executable, "-m", "dropslot", *words]
    # As an operator has it: what goes to a file is buffered.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with (
        out.open("w") as file,
        subprocess.Popen(command, stdout=file, stderr=subprocess.PIPE, text=True, env=environment) as process,
    ):
        yield process


def wait_for(process: "subprocess.Popen[str]", happened: Callable[[], bool]) -> None:
    """Wait until something has happened that a process does."""
    while not happened():
        assert process.poll() is None, process.communicate()
