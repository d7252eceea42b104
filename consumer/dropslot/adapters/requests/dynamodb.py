"""The table of requests in DynamoDB, by boto3."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from dropslot.adapters.requests.rows import STATE_ATTRIBUTES, attribute, state_from, unfinished_from
from dropslot.adapters.requests.statement import statement
from dropslot.core import names
from dropslot.core.errors import TransientError
from dropslot.core.item import State, Unfinished
from dropslot.core.transience import TRANSIENT_AWS_CODES
from dropslot.core.transitions import Write
from dropslot.engine.ports import WriteResult

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

T = TypeVar("T")

#: Limits of BatchGetItem and BatchExecuteStatement.
READ_BATCH: Final = 100
WRITE_BATCH: Final = 25

#: What a statement's error says when the item would pass 400 KB; its code is the same as any other validation's.
_TOO_LARGE: Final = "exceeded the maximum allowed size"


def make_client(region: str) -> "DynamoDBClient":
    """Return a client that fails fast and never repeats a call: whoever uses the port repeats, and knows when to stop.

    The endpoint and the credentials come from where boto3 looks for them.
    """
    return boto3.client(
        "dynamodb",
        region_name=region,
        config=Config(
            connect_timeout=3,
            read_timeout=10,
            retries={"total_max_attempts": 1},
            max_pool_connections=16,
            parameter_validation=False,
        ),
    )


class DynamoDBRequests:
    """The real side of the `Requests` port.

    Args:
        client: a DynamoDB client.
        table: name of the table.
    """

    max_batch = WRITE_BATCH

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table
        self._executor = ThreadPoolExecutor(max_workers=8, thread_name_prefix="dropslot-dynamodb")

    async def read(self, ids: Sequence[str]) -> Mapping[str, State]:
        """See `Requests.read`."""
        # One key that no item can have would refuse the whole call.
        unique = [key for key in dict.fromkeys(ids) if names.can_be_id(key)]
        states: dict[str, State] = {}
        for start in range(0, len(unique), READ_BATCH):
            items = await self._in_thread(partial(self._read, unique[start : start + READ_BATCH]))
            states.update((state.id, state) for item in items if (state := state_from(item)) is not None)
        return states

    async def write(self, writes: Sequence[Write]) -> Sequence[WriteResult]:
        """See `Requests.write`."""
        if len(writes) > self.max_batch or len({write.id for write in writes}) < len(writes):
            raise ValueError(f"a batch holds at most {self.max_batch} writes, each for another id")
        return await self._in_thread(partial(self._write, writes)) if writes else []

    async def unfinished(
        self, queue: str, *, due_before_ms: int, limit: int, after: Unfinished | None = None
    ) -> Sequence[Unfinished]:
        """See `Requests.unfinished`."""
        query = self._query(queue, due_before_ms) | {"Limit": limit}
        if after is not None:
            query["ExclusiveStartKey"] = {
                names.ID: attribute(after.state.id),
                names.QUEUE: attribute(queue),
                names.DUE_AT: attribute(after.due_at),
            }
        while True:
            answer = await self._in_thread(lambda: self._client.query(**query))
            rows = [row for item in answer["Items"] if (row := unfinished_from(item)) is not None]
            if rows or "LastEvaluatedKey" not in answer:
                return rows
            query["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    async def count_unfinished(self, queue: str, *, due_before_ms: int | None = None, limit: int) -> int:
        """See `UnfinishedCount.count_unfinished`."""
        query = self._query(queue, due_before_ms) | {"Select": "COUNT"}
        count = 0
        while count < limit:
            query["Limit"] = limit - count
            answer = await self._in_thread(lambda: self._client.query(**query))
            count += answer["Count"]
            if "LastEvaluatedKey" not in answer:
                break
            query["ExclusiveStartKey"] = answer["LastEvaluatedKey"]
        return count

    def close(self) -> None:
        """Let go of threads and connections."""
        self._executor.shutdown(wait=False, cancel_futures=True)
        self._client.close()

    async def _in_thread(self, call: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, call)
        except ClientError as error:
            # Everything that isn't about one item (throttling, a missing table or permission, a fault of the service)
            # keeps the request open: an operator can mend it, and nothing is lost meanwhile.
            code = error.response.get("Error", {}).get("Code", "unknown")
            raise TransientError(f"{error.operation_name} on table {self._table}: {code}") from error
        except BotoCoreError as error:
            raise TransientError(f"table {self._table}: {error}") from error

    def _query(self, queue: str, due_before_ms: int | None) -> dict[str, Any]:
        query: dict[str, Any] = {
            "TableName": self._table,
            "IndexName": names.UNFINISHED_INDEX,
            "KeyConditionExpression": "#queue = :queue",
            "ExpressionAttributeNames": {"#queue": names.QUEUE},
            "ExpressionAttributeValues": {":queue": {"S": queue}},
        }
        if due_before_ms is not None:
            query["KeyConditionExpression"] += " AND #due_at <= :due_before"
            query["ExpressionAttributeNames"]["#due_at"] = names.DUE_AT
            query["ExpressionAttributeValues"][":due_before"] = {"N": str(due_before_ms)}
        return query

    def _read(self, ids: list[str]) -> list[dict[str, Any]]:
        aliases = {f"#{name}": name for name in STATE_ATTRIBUTES}
        wanted: Any = {
            self._table: {
                "Keys": [{names.ID: {"S": key}} for key in ids],
                "ConsistentRead": True,
                "ProjectionExpression": ", ".join(aliases),
                "ExpressionAttributeNames": aliases,
            }
        }
        items: list[dict[str, Any]] = []
        answer = self._client.batch_get_item(RequestItems=wanted)
        items.extend(answer["Responses"].get(self._table, []))
        while answer.get("UnprocessedKeys"):
            before = len(items)
            answer = self._client.batch_get_item(RequestItems=answer["UnprocessedKeys"])
            items.extend(answer["Responses"].get(self._table, []))
            if len(items) == before and answer.get("UnprocessedKeys"):
                raise TransientError(f"BatchGetItem on table {self._table}: throttled")
        return items

    def _write(self, writes: Sequence[Write]) -> list[WriteResult]:
        statements: Any = [statement(self._table, write) for write in writes]
        try:
            answer = self._client.batch_execute_statement(Statements=statements)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") != "ValidationException":
                raise
            if len(writes) == 1:
                return [WriteResult.INVALID]
            # One statement that can't be read rejects the whole call before any is run: find it.
            return [self._write([write])[0] for write in writes]
        return [_result(response) for response in answer["Responses"]]


def _result(response: Any) -> WriteResult:
    error = response.get("Error")
    if error is None:
        return WriteResult.APPLIED
    code = error.get("Code", "")
    if code in ("ConditionalCheckFailed", "ConditionalCheckFailedException"):
        return WriteResult.REFUSED
    if code in TRANSIENT_AWS_CODES:
        return WriteResult.RETRY
    if code in ("ItemCollectionSizeLimitExceeded", "ItemCollectionSizeLimitExceededException"):
        return WriteResult.TOO_LARGE
    if code in ("ValidationError", "ValidationException"):
        return WriteResult.TOO_LARGE if _TOO_LARGE in error.get("Message", "") else WriteResult.INVALID
    # Unknown, or about the table as a whole (AccessDenied, ResourceNotFound): keep the request open.
    return WriteResult.RETRY
