"""Whether a worker reaches what it works on: the table of requests, the leases and the stream."""

import threading
from collections.abc import Callable, Mapping
from logging import INFO, WARNING, getLogger
from typing import TYPE_CHECKING, Final, Self

from botocore.exceptions import BotoCoreError, ClientError

from dropslot.core import names
from dropslot.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_kinesis import KinesisClient

_log: Final = getLogger(__name__)

_PAUSE_SECONDS: Final = 30.0
#: While something is out of reach.
_SHORT_PAUSE_SECONDS: Final = 5.0


def find_out_of_reach(settings: Settings, *, dynamodb: "DynamoDBClient", kinesis: "KinesisClient") -> str:
    """Ask for each thing that a worker can't do without, by calls that its role has to allow anyway.

    The daemon itself says nothing of it: it tries for minutes, in silence, and a worker that was given no shard looks
    the same.

    Args:
        settings: name the table, the application and the stream.
        dynamodb: where table and leases are kept.
        kinesis: where the stream is.

    Returns:
        What is out of reach, and why; "" when nothing is.
    """
    overrides = settings.kcl_properties
    leases = overrides.get("tableName", settings.application)
    stream = overrides.get("streamArn", "")

    def ask_requests() -> object:
        return dynamodb.query(
            TableName=settings.table,
            IndexName=names.UNFINISHED_INDEX,
            Select="COUNT",
            Limit=1,
            KeyConditionExpression="#queue = :queue",
            ExpressionAttributeNames={"#queue": names.QUEUE},
            ExpressionAttributeValues={":queue": {"S": names.stored_status(names.PENDING, "0")}},
        )

    def ask_leases() -> object:
        try:
            return dynamodb.describe_table(TableName=leases)
        except dynamodb.exceptions.ResourceNotFoundException:
            return None  # the daemon makes it

    def ask_stream() -> object:
        if stream:
            return kinesis.list_shards(StreamARN=stream, MaxResults=1)
        return kinesis.list_shards(StreamName=settings.stream, MaxResults=1)

    asked: Mapping[str, Callable[[], object]] = {
        f"table {settings.table}": ask_requests,
        f"lease table {leases}": ask_leases,
        f"stream {stream or settings.stream}": ask_stream,
    }
    found: list[str] = []
    for what, ask in asked.items():
        try:
            ask()
        except ClientError as refused:
            found.append(f"{what}: {refused.response.get('Error', {}).get('Code', 'refused')}")
        except BotoCoreError as failed:
            found.append(f"{what}: {type(failed).__name__}")
    return "; ".join(found)


class ReachThread:
    """Asks now and then while its block runs; in a thread, since a call that nobody answers takes half a minute.

    Args:
        ask: what is out of reach, "" when nothing is.
    """

    def __init__(self, ask: Callable[[], str]) -> None:
        self._ask = ask
        self._trouble = "nothing has answered yet"
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="reach", daemon=True)

    def trouble(self) -> str:
        """Return what was out of reach when it was last asked; "" when nothing was."""
        return self._trouble

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        # Not waited for: it may be in the middle of a call, and the stop has a limit.
        self._stop.set()

    def _run(self) -> None:
        while not self._stop.is_set():
            trouble = self._ask()
            if trouble != self._trouble:
                _log.log(
                    WARNING if trouble else INFO, "out_of_reach" if trouble else "in_reach", extra={"what": trouble}
                )
            self._trouble = trouble
            self._stop.wait(_SHORT_PAUSE_SECONDS if trouble else _PAUSE_SECONDS)
