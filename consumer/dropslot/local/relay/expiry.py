"""Deletes items whose time to live has passed, as DynamoDB does."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from dropslot.core import names

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


class Expiry:
    """Looks through the table page by page, one page a call, so that the relay is never held up for long.

    Args:
        client: of DynamoDB.
        table: name of the table.
        every_seconds: pause between two passes over the table.
        on_deleting: called with ids before they are deleted, so that the deletions can be told from a client's.
        on_kept: called with the id of an item that was not deleted after all.
    """

    def __init__(
        self,
        client: "DynamoDBClient",
        table: str,
        *,
        every_seconds: float,
        on_deleting: Callable[[list[str]], None],
        on_kept: Callable[[str], None],
    ) -> None:
        self._client = client
        self._table = table
        self._every_seconds = every_seconds
        self._on_deleting = on_deleting
        self._on_kept = on_kept
        self._next_pass = 0.0
        self._start_key: dict[str, Any] | None = None

    def step(self, now: float, now_epoch_seconds: int) -> int:
        """Look at one page, if a pass is under way or due.

        Args:
            now: seconds of any steady clock.
            now_epoch_seconds: items with a `ttl` up to this are deleted.

        Returns:
            How many items were deleted.
        """
        if self._start_key is None and now < self._next_pass:
            return 0
        more: dict[str, Any] = {} if self._start_key is None else {"ExclusiveStartKey": self._start_key}
        limit = {":now": {"N": str(now_epoch_seconds)}}
        page = self._client.scan(
            TableName=self._table,
            ProjectionExpression="#id",
            FilterExpression="#ttl <= :now",
            ExpressionAttributeNames={"#id": names.ID, "#ttl": names.TTL},
            ExpressionAttributeValues=limit,
            **more,
        )
        self._start_key = page.get("LastEvaluatedKey")
        self._next_pass = now + self._every_seconds
        ids = [item[names.ID]["S"] for item in page["Items"]]
        if ids:
            self._on_deleting(ids)
        return sum(self._delete(each, limit) for each in ids)

    def _delete(self, request_id: str, limit: dict[str, Any]) -> bool:
        try:
            # A redrive may have brought it back since: only what is still expired goes.
            self._client.delete_item(
                TableName=self._table,
                Key={names.ID: {"S": request_id}},
                ConditionExpression="#ttl <= :now",
                ExpressionAttributeNames={"#ttl": names.TTL},
                ExpressionAttributeValues=limit,
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            self._on_kept(request_id)
            return False
        return True
