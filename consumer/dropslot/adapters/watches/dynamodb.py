"""The table of connections in DynamoDB.

A watch is a row of a request's key and a connection, with the turn that it begins at; who is connected is a row of
``@`` and the connection's id, which can't begin a key: the API escapes it in callers.
"""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final

from dropslot.adapters.requests.rows import Item, attribute
from dropslot.adapters.wire.dynamodb import TableCalls
from dropslot.adapters.wire.service_error import ServiceError
from dropslot.core import names
from dropslot.core.errors import TransientError
from dropslot.core.feedback import CALLER, CONNECTION, ROW_SECONDS, WATCHES
from dropslot.core.turn import Turn
from dropslot.engine.crowd import each
from dropslot.engine.feedback_ports import Refusal

#: Limit of BatchWriteItem.
_WRITE_BATCH: Final = 25
#: A thousand watchers of one request are forgotten before the first of them is told.
_WRITES_AT_ONCE: Final = 8
WRITES_SECONDS: Final = 5.0


class DynamoDBWatches:
    """The real side of the port `Watches`.

    Args:
        calls: of the table of connections.
        now_epoch_seconds: the time that rows age by.
    """

    def __init__(self, calls: TableCalls, *, now_epoch_seconds: Callable[[], float] = time.time) -> None:
        self._calls = calls
        self._now_epoch_seconds = now_epoch_seconds

    async def connect(self, connection: str, caller: str) -> None:
        """See `Watches.connect`."""
        row = {
            **_key(f"@{connection}", connection),
            CALLER: attribute(caller),
            WATCHES: attribute(0),
            names.TTL: self._ttl(),
        }
        await self._calls.call("PutItem", {"TableName": self._calls.table, "Item": row})

    async def disconnect(self, connection: str) -> None:
        """See `Watches.disconnect`."""
        key = _key(f"@{connection}", connection)
        await self._calls.call("DeleteItem", {"TableName": self._calls.table, "Key": key})

    async def claim(self, connection: str, count: int, *, limit: int) -> str | Refusal:
        """See `Watches.claim`."""
        update: Mapping[str, Any] = {
            "TableName": self._calls.table,
            "Key": _key(f"@{connection}", connection),
            "UpdateExpression": "ADD #watches :count",
            "ConditionExpression": "#watches <= :room",
            "ExpressionAttributeNames": {"#watches": WATCHES},
            "ExpressionAttributeValues": {":count": attribute(count), ":room": attribute(limit - count)},
            "ReturnValues": "ALL_NEW",
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
        try:
            answer = await self._calls.call("UpdateItem", update)
        except ServiceError as error:
            if error.code != "ConditionalCheckFailedException":
                raise
            return Refusal.TOO_MANY if error.item else Refusal.NOT_CONNECTED
        return str(answer["Attributes"][CALLER]["S"])

    async def register(self, connection: str, turns: Mapping[str, Turn]) -> None:
        """See `Watches.register`."""
        ttl = self._ttl()
        rows = [{**_key(one, connection), **_attributes(turn), names.TTL: ttl} for one, turn in turns.items()]
        await self._write([{"PutRequest": {"Item": row}} for row in rows])

    async def watchers(self, item_id: str) -> Mapping[str, Turn]:
        """See `Watches.watchers`."""
        query: dict[str, Any] = {
            "TableName": self._calls.table,
            "KeyConditionExpression": "#id = :id",
            "ProjectionExpression": "#connection, #accepted_at, #attempt",
            "ExpressionAttributeNames": {
                "#id": names.ID,
                "#connection": CONNECTION,
                "#accepted_at": names.ACCEPTED_AT,
                "#attempt": names.ATTEMPT,
            },
            "ExpressionAttributeValues": {":id": attribute(item_id)},
            # A watch written before the outcome must be seen: nobody looks again.
            "ConsistentRead": True,
        }
        turns: dict[str, Turn] = {}
        while True:
            answer = await self._calls.call("Query", query)
            turns |= {row[CONNECTION]["S"]: _turn_from(row) for row in answer["Items"]}
            if "LastEvaluatedKey" not in answer:
                return turns
            query["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    async def forget(self, watches: Sequence[tuple[str, str]]) -> None:
        """See `Watches.forget`."""
        await self._write([{"DeleteRequest": {"Key": _key(*watch)}} for watch in watches])

    async def forget_connections(self, connections: Collection[str]) -> None:
        """See `Watches.forget_connections`."""
        await self._write([{"DeleteRequest": {"Key": _key(f"@{one}", one)}} for one in connections])

    async def _write(self, writes: Sequence[Mapping[str, Any]]) -> None:
        batches = [writes[start : start + _WRITE_BATCH] for start in range(0, len(writes), _WRITE_BATCH)]
        errors: list[TransientError] = []

        async def write(batch: Sequence[Mapping[str, Any]]) -> None:
            try:
                await self._write_batch(batch)
            except TransientError as error:
                errors.append(error)

        if not await each(batches, write, at_once=_WRITES_AT_ONCE, seconds=WRITES_SECONDS):
            raise TransientError(f"BatchWriteItem on table {self._calls.table}: not done in {WRITES_SECONDS:g} s")
        if errors:
            raise errors[0]

    async def _write_batch(self, writes: Sequence[Mapping[str, Any]]) -> None:
        table = self._calls.table
        while writes:
            answer = await self._calls.call("BatchWriteItem", {"RequestItems": {table: writes}})
            left = answer.get("UnprocessedItems", {}).get(table, [])
            if len(left) == len(writes):
                raise TransientError(f"BatchWriteItem on table {table}: throttled")
            writes = left

    def _ttl(self) -> Mapping[str, Any]:
        return attribute(int(self._now_epoch_seconds()) + ROW_SECONDS)


def _attributes(turn: Turn) -> dict[str, Any]:
    return {names.ACCEPTED_AT: attribute(turn.accepted_at), names.ATTEMPT: attribute(turn.attempt)}


def _turn_from(row: Item) -> Turn:
    if names.ACCEPTED_AT not in row or names.ATTEMPT not in row:
        # A version that noted no turn wrote it; such rows expire within hours of its replacement.
        return Turn(accepted_at=0, attempt=0)
    return Turn(accepted_at=int(row[names.ACCEPTED_AT]["N"]), attempt=int(row[names.ATTEMPT]["N"]))


def _key(row_id: str, connection: str) -> dict[str, Any]:
    return {names.ID: attribute(row_id), CONNECTION: attribute(connection)}
