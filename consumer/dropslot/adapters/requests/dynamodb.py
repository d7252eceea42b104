"""The table of requests in DynamoDB, whoever sends the calls: what to ask, and what the answers mean."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from dropslot.adapters.requests.batch_read import read_items
from dropslot.adapters.requests.rows import STATE_ATTRIBUTES, attribute, state_from, unfinished_from
from dropslot.adapters.requests.statement import insert_statement, statement
from dropslot.adapters.wire.calls import Calls
from dropslot.adapters.wire.service_error import ServiceError
from dropslot.core import names
from dropslot.core.item import State, Unfinished
from dropslot.core.transience import TRANSIENT_AWS_CODES
from dropslot.core.transitions import Insert, Write
from dropslot.engine.ports import WriteResult

#: Limit of BatchExecuteStatement.
WRITE_BATCH: Final = 25

#: What a statement's error says when the item would pass 400 KB; its code is the same as any other validation's.
_TOO_LARGE: Final = "exceeded the maximum allowed size"


class DynamoDBRequests:
    """The real side of `Requests`, `Restoring`, `PauseSign` and `UnfinishedCount`.

    Args:
        calls: of the table of requests.
    """

    max_batch = WRITE_BATCH

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def close(self) -> None:
        """Let go of what makes the calls."""
        self._calls.close()

    async def read(self, ids: Sequence[str]) -> Mapping[str, State]:
        """See `Requests.read`."""
        items = await read_items(self._calls.call, self._calls.table, ids, STATE_ATTRIBUTES)
        return {state.id: state for item in items if (state := state_from(item)) is not None}

    async def write(self, writes: Sequence[Write]) -> Sequence[WriteResult]:
        """See `Requests.write`."""
        return await self._execute([(write.id, statement(self._calls.table, write)) for write in writes])

    async def restore(self, inserts: Sequence[Insert]) -> Sequence[WriteResult]:
        """See `Restoring.restore`."""
        return await self._execute([(insert.id, insert_statement(self._calls.table, insert)) for insert in inserts])

    async def paused(self) -> bool:
        """See `PauseSign.paused`."""
        items = await read_items(self._calls.call, self._calls.table, [names.CONTROL_ID], (names.PAUSED_AT,))
        return any(names.PAUSED_AT in item for item in items)

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
            answer = await self._calls.call("Query", query)
            rows = [row for item in answer["Items"] if (row := unfinished_from(item)) is not None]
            if rows or "LastEvaluatedKey" not in answer:
                return rows
            query["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    async def count_unfinished(self, queue: str, *, due_before_ms: int | None = None, limit: int) -> int:
        """See `UnfinishedCount.count_unfinished`."""
        query = self._query(queue, due_before_ms) | {"Select": "COUNT"}
        count = 0
        while count < limit:
            answer = await self._calls.call("Query", query | {"Limit": limit - count})
            count += answer["Count"]
            if "LastEvaluatedKey" not in answer:
                break
            query["ExclusiveStartKey"] = answer["LastEvaluatedKey"]
        return count

    async def _execute(self, statements: Sequence[tuple[str, Mapping[str, Any]]]) -> Sequence[WriteResult]:
        """Execute statements, each with the id it is about."""
        if len(statements) > self.max_batch or len({key for key, _ in statements}) < len(statements):
            raise ValueError(f"a batch holds at most {self.max_batch} writes, each for another id")
        if not statements:
            return []
        try:
            answer = await self._calls.call("BatchExecuteStatement", {"Statements": [one for _, one in statements]})
        except ServiceError as error:
            if error.code != "ValidationException":
                raise
            if len(statements) == 1:
                return [WriteResult.INVALID]
            # One statement that can't be read rejects the whole call before any is run: find it.
            return [(await self._execute([one]))[0] for one in statements]
        return [write_result(response) for response in answer["Responses"]]

    def _query(self, queue: str, due_before_ms: int | None) -> dict[str, Any]:
        condition, aliases, values = "#queue = :queue", {"#queue": names.QUEUE}, {":queue": attribute(queue)}
        if due_before_ms is not None:
            condition += " AND #due_at <= :due_before"
            aliases["#due_at"] = names.DUE_AT
            values[":due_before"] = attribute(due_before_ms)
        return {
            "TableName": self._calls.table,
            "IndexName": names.UNFINISHED_INDEX,
            "KeyConditionExpression": condition,
            "ExpressionAttributeNames": aliases,
            "ExpressionAttributeValues": values,
        }


def write_result(response: Mapping[str, Any]) -> WriteResult:
    """Return what became of one statement of BatchExecuteStatement.

    https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchStatementError.html
    """
    error = response.get("Error")
    if error is None:
        return WriteResult.APPLIED
    code = error.get("Code", "")
    if code in ("ConditionalCheckFailed", "ConditionalCheckFailedException", "DuplicateItem", "DuplicateItemException"):
        return WriteResult.REFUSED
    if code in TRANSIENT_AWS_CODES:
        return WriteResult.RETRY
    if code in ("ItemCollectionSizeLimitExceeded", "ItemCollectionSizeLimitExceededException"):
        return WriteResult.TOO_LARGE
    if code in ("ValidationError", "ValidationException"):
        return WriteResult.TOO_LARGE if _TOO_LARGE in error.get("Message", "") else WriteResult.INVALID
    # Unknown, or about the table as a whole (AccessDenied, ResourceNotFound): keep the request open.
    return WriteResult.RETRY
