"""The table of requests as operators read it: the index from the oldest row on, single requests, or all of it."""

import heapq
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from dropslot.adapters.requests.rows import Item, attribute
from dropslot.core import names
from dropslot.engine.backoff import Backoff
from dropslot.operate.errors import OutOfReachError
from dropslot.operate.row import ATTRIBUTES, Row
from dropslot.operate.trouble import explain

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

#: The statuses that the index holds.
UNFINISHED: Final = (names.PENDING, names.WAITING, names.FAILED)

#: Limit of BatchGetItem.
_READ_BATCH: Final = 100
#: For so long a read may leave all its keys unread before it is given up.
GIVE_UP_SECONDS: Final = 30.0
_NAMES: Final = {f"#{name}": name for name in ATTRIBUTES}


class RequestTable:
    """Reads, and deletes; all that moves a request goes through the port `Requests`.

    Every method raises OutOfReachError when the table can't be asked.

    Args:
        client: of DynamoDB, which repeats what was throttled.
        table: name of the table.
        where: what errors call it.
        sleep: waits for so many seconds.
    """

    def __init__(
        self, client: "DynamoDBClient", table: str, *, where: str, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._client = client
        self._table = table
        self._where = where
        self._sleep = sleep
        self._backoff = Backoff()

    def unfinished(
        self, statuses: Sequence[str], *, due_from_ms: int | None = None, due_until_ms: int | None = None, page: int = 0
    ) -> Iterator[Row]:
        """Read the index, oldest `due_at` first; eventually consistent.

        Args:
            statuses: of `UNFINISHED`.
            due_from_ms: epoch milliseconds; rows due earlier are left out. None: none are.
            due_until_ms: the same for rows due later.
            page: rows that one call reads of one of an index's partitions; 0 takes what a call can hold.
        """
        queues = [names.stored_status(status, digit) for status in statuses for digit in names.SPREAD_DIGITS]
        return heapq.merge(
            *(self._queue(queue, due_from_ms, due_until_ms, page) for queue in queues),
            key=lambda row: (row.due_at, row.state.id),
        )

    def scan(self) -> Iterator[Row]:
        """Read the whole table, in no order. DynamoDB charges for every byte of it, bodies too."""
        arguments = {
            "TableName": self._table,
            "ProjectionExpression": ", ".join(_NAMES),
            "ExpressionAttributeNames": _NAMES,
        }
        return self._rows("scan", arguments)

    def get(self, ids: Sequence[str]) -> Mapping[str, Row]:
        """Read requests by item id, strongly consistent; without those that aren't there."""
        items = self._items(ids, {"ProjectionExpression": ", ".join(_NAMES), "ExpressionAttributeNames": _NAMES})
        return {row.state.id: row for item in items if (row := Row.from_item(item)) is not None}

    def items(self, ids: Sequence[str]) -> Mapping[str, Item]:
        """Read whole items by id, bodies too, strongly consistent; without those that aren't there."""
        return {item[names.ID]["S"]: item for item in self._items(ids, {})}

    def delete(self, row: Row) -> bool:
        """Delete a request, whatever its state; False if it isn't there any more, or another one has its id."""
        try:
            self._client.delete_item(
                TableName=self._table,
                Key={names.ID: attribute(row.state.id)},
                ConditionExpression="attribute_exists(#request) AND #accepted_at = :accepted_at",
                ExpressionAttributeNames={"#request": names.REQUEST, "#accepted_at": names.ACCEPTED_AT},
                ExpressionAttributeValues={":accepted_at": attribute(row.state.accepted_at)},
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        except (ClientError, BotoCoreError) as error:
            raise explain(error, service="DynamoDB", where=self._where) from error
        return True

    def _queue(self, queue: str, due_from_ms: int | None, due_until_ms: int | None, page: int) -> Iterator[Row]:
        condition, aliases, values = "#queue = :queue", {"#queue": names.QUEUE}, {":queue": attribute(queue)}
        bounds = ((">=", ":from", due_from_ms), ("<=", ":until", due_until_ms))
        given = [(sign, name, bound) for sign, name, bound in bounds if bound is not None]
        if len(given) == 2:  # a key may stand in one comparison only
            condition += " AND #due_at BETWEEN :from AND :until"
        else:
            condition += "".join(f" AND #due_at {sign} {name}" for sign, name, _ in given)
        if given:
            aliases["#due_at"] = names.DUE_AT
            values |= {name: attribute(bound) for _, name, bound in given}
        if len(given) == 2 and given[0][2] > given[1][2]:  # DynamoDB refuses what can hold nothing
            return iter(())
        arguments: dict[str, Any] = {
            "TableName": self._table,
            "IndexName": names.UNFINISHED_INDEX,
            "KeyConditionExpression": condition,
            "ExpressionAttributeNames": aliases,
            "ExpressionAttributeValues": values,
        }
        return self._rows("query", arguments | ({"Limit": page} if page else {}))

    def _rows(self, operation: str, arguments: Mapping[str, Any]) -> Iterator[Row]:
        start: Mapping[str, Any] = {}
        while True:
            try:
                answer: Mapping[str, Any] = getattr(self._client, operation)(**arguments, **start)
            except (ClientError, BotoCoreError) as error:
                raise explain(error, service="DynamoDB", where=self._where) from error
            yield from (row for item in answer["Items"] if (row := Row.from_item(item)) is not None)
            if "LastEvaluatedKey" not in answer:
                return
            start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}

    def _items(self, ids: Sequence[str], projection: Mapping[str, Any]) -> Iterator[Item]:
        # One key that no item can have would refuse the whole call.
        unique = [key for key in dict.fromkeys(ids) if names.can_be_id(key)]
        for start in range(0, len(unique), _READ_BATCH):
            keys = [{names.ID: attribute(key)} for key in unique[start : start + _READ_BATCH]]
            yield from self._batch({"Keys": keys, "ConsistentRead": True, **projection})

    def _batch(self, wanted: Mapping[str, Any]) -> Iterator[Item]:
        """Read a batch, again and again while the table throttles: it answers well all the same, with keys left."""
        failures, waited_seconds = 0, 0.0
        while True:
            arguments: Any = {"RequestItems": {self._table: wanted}}
            try:
                answer: Mapping[str, Any] = self._client.batch_get_item(**arguments)
            except (ClientError, BotoCoreError) as error:
                raise explain(error, service="DynamoDB", where=self._where) from error
            yield from answer["Responses"].get(self._table, [])
            left = answer.get("UnprocessedKeys", {}).get(self._table)
            if left is None:
                return
            if len(left["Keys"]) < len(wanted["Keys"]):
                failures, waited_seconds = 0, 0.0
            if waited_seconds >= GIVE_UP_SECONDS:
                raise OutOfReachError(
                    f"{self._where} has left all reads undone for {GIVE_UP_SECONDS:g} s: it throttles. "
                    "Try again later, or with a lower --rate"
                )
            pause_seconds = self._backoff.seconds(failures)
            self._sleep(pause_seconds)
            failures, waited_seconds, wanted = failures + 1, waited_seconds + pause_seconds, left
