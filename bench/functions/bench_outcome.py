"""The outcome of a request as one writes it by hand: by one conditional update, the same that Dropslot writes."""

import time
from collections.abc import Mapping
from typing import Any


def settle(client: Any, image: Mapping[str, Any]) -> None:
    """Write that a request is done.

    Args:
        client: boto3's, of DynamoDB.
        image: of the item.
    """
    client.update_item(
        TableName="requests",
        Key={"id": image["id"]},
        UpdateExpression="SET #ttl = :ttl, #status = :done, due_at = :now REMOVE queue",
        ConditionExpression=(
            "attribute_exists(#request) AND accepted_at = :at AND attribute_not_exists(#ttl) "
            "AND attribute_not_exists(#error)"
        ),
        ExpressionAttributeNames={"#request": "request", "#ttl": "ttl", "#status": "status", "#error": "error"},
        ExpressionAttributeValues={
            ":ttl": {"N": str(int(time.time()) + 86_400)},
            ":done": {"S": "done-a"},
            ":now": {"N": str(time.time_ns() // 1_000_000)},
            ":at": image["accepted_at"],
        },
    )
