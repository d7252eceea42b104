"""Deletes items whose time to live has passed, as DynamoDB does."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dropslot.core import names

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


class Expiry:
    """Looks through the table page by page, one page a call, so that the relay is never held up for long.

    Args:
        client: of DynamoDB.
        table: name of the table.
        key: names of the key's attributes, the partition's first.
        every_seconds: pause between two passes over the table.
        on_deleting: called with partition keys before they are deleted, so that a client's deletions can be told apart.
        on_kept: called with the partition key of an item that was not deleted after all.
    """

    def __init__(
        self,
        client: "DynamoDBClient",
        table: str,
        *,
        key: Sequence[str] = (names.ID,),
        every_seconds: float,
        on_deleting: Callable[[list[str]], None] = lambda _: None,
        on_kept: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._client = client
        self._table = table
        self._key = {f"#key{number}": name for number, name in enumerate(key)}
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
            ProjectionExpression=", ".join(self._key),
            FilterExpression="#ttl <= :now",
            ExpressionAttributeNames={**self._key, "#ttl": names.TTL},
            ExpressionAttributeValues=limit,
            **more,
        )
        self._start_key = page.get("LastEvaluatedKey")
        self._next_pass = now + self._every_seconds
        keys = page["Items"]
        if keys:
            self._on_deleting([key[names.ID]["S"] for key in keys])
        return sum(self._delete(key, limit) for key in keys)

    def _delete(self, key: Mapping[str, Any], limit: dict[str, Any]) -> bool:
        try:
            # A redrive may have brought it back since: only what is still expired goes.
            self._client.delete_item(
                TableName=self._table,
                Key=key,
                ConditionExpression="#ttl <= :now",
                ExpressionAttributeNames={"#ttl": names.TTL},
                ExpressionAttributeValues=limit,
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            self._on_kept(key[names.ID]["S"])
            return False
        return True
