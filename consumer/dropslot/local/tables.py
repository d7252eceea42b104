"""Creates what the pipeline needs in the local servers: its tables, with the index of requests, and the stream."""

import contextlib
import time
from typing import TYPE_CHECKING, Final

from dropslot.core import names
from dropslot.core.feedback import CONNECTION
from dropslot.local.errors import LocalStackError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import TableDescriptionTypeDef
    from mypy_boto3_kinesis import KinesisClient

_TIMEOUT_SECONDS: Final = 20.0
_POLL_SECONDS: Final = 0.02


def ensure_table(client: "DynamoDBClient", table: str) -> str:
    """Create the table of requests unless it is there, and wait until it can be used.

    Args:
        client: of DynamoDB Local.
        table: its name, 3 to 255 characters.

    Returns:
        The ARN of the table's change stream.

    Raises:
        LocalStackError: it isn't usable in time, or a table of this name has no stream.
    """
    with contextlib.suppress(client.exceptions.ResourceInUseException):
        client.create_table(
            TableName=table,
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": names.ID, "KeyType": "HASH"}],
            AttributeDefinitions=[
                {"AttributeName": names.ID, "AttributeType": "S"},
                {"AttributeName": names.QUEUE, "AttributeType": "S"},
                {"AttributeName": names.DUE_AT, "AttributeType": "N"},
            ],
            GlobalSecondaryIndexes=[
                {
                    "IndexName": names.UNFINISHED_INDEX,
                    "KeySchema": [
                        {"AttributeName": names.QUEUE, "KeyType": "HASH"},
                        {"AttributeName": names.DUE_AT, "KeyType": "RANGE"},
                    ],
                    "Projection": {
                        "ProjectionType": "INCLUDE",
                        "NonKeyAttributes": list(names.UNFINISHED_PROJECTION),
                    },
                }
            ],
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
        )
    description = _active(client, table)
    if "LatestStreamArn" not in description:
        raise LocalStackError(f"table {table} has no change stream; it wasn't made by Dropslot: remove it")
    return description["LatestStreamArn"]


def ensure_journal(client: "DynamoDBClient", table: str) -> None:
    """Create the table of finished steps unless it is there, and wait until it can be used.

    Arguments and errors as of `ensure_table`.
    """
    _ensure(client, table, sort_key=names.RUN)


def ensure_connections(client: "DynamoDBClient", table: str) -> None:
    """Create the table of connections and what they watch unless it is there, and wait until it can be used.

    Arguments and errors as of `ensure_table`.
    """
    _ensure(client, table, sort_key=CONNECTION)


def ensure_stream(client: "KinesisClient", stream: str, shards: int) -> tuple[str, ...]:
    """Create the Kinesis stream unless it is there, and wait until it can be used.

    A stream that is there keeps its shards, whatever their number: resharding is an operation of its own.

    Returns:
        The ids of its open shards.

    Raises:
        LocalStackError: it isn't usable in time.
    """
    with contextlib.suppress(client.exceptions.ResourceInUseException):
        client.create_stream(StreamName=stream, ShardCount=shards)
    deadline = time.monotonic() + _TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        summary = client.describe_stream_summary(StreamName=stream)["StreamDescriptionSummary"]
        if summary["StreamStatus"] == "ACTIVE":
            return open_shards(client, stream)
        time.sleep(_POLL_SECONDS)
    raise LocalStackError(f"stream {stream} wasn't usable within {_TIMEOUT_SECONDS:g} s")


def _ensure(client: "DynamoDBClient", table: str, *, sort_key: str) -> None:
    with contextlib.suppress(client.exceptions.ResourceInUseException):
        client.create_table(
            TableName=table,
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[
                {"AttributeName": names.ID, "KeyType": "HASH"},
                {"AttributeName": sort_key, "KeyType": "RANGE"},
            ],
            AttributeDefinitions=[
                {"AttributeName": names.ID, "AttributeType": "S"},
                {"AttributeName": sort_key, "AttributeType": "S"},
            ],
        )
    _active(client, table)


def _active(client: "DynamoDBClient", table: str) -> "TableDescriptionTypeDef":
    deadline = time.monotonic() + _TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        description = client.describe_table(TableName=table)["Table"]
        if description["TableStatus"] == "ACTIVE":
            return description
        time.sleep(_POLL_SECONDS)
    raise LocalStackError(f"table {table} wasn't usable within {_TIMEOUT_SECONDS:g} s")


def open_shards(client: "KinesisClient", stream: str) -> tuple[str, ...]:
    """Return the ids of a stream's shards that still take records."""
    shards = client.list_shards(StreamName=stream)["Shards"]
    return tuple(shard["ShardId"] for shard in shards if "EndingSequenceNumber" not in shard["SequenceNumberRange"])
