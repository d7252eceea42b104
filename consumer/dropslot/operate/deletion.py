"""Deletes requests for people who ask to be forgotten."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from dropslot.adapters.requests.rows import attribute
from dropslot.core import names
from dropslot.operate.requests import open_table
from dropslot.operate.row import Row
from dropslot.operate.screen import Screen
from dropslot.operate.target import Target
from dropslot.operate.trouble import explain

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

#: Limit of BatchWriteItem.
_BATCH: Final = 25
DELETED: Final = "deleted"
GONE: Final = "gone meanwhile"


def find(target: Target, screen: Screen, keys: Sequence[str]) -> list[Row]:
    """Return the requests that are there, and tell which aren't.

    Args:
        target: the pipeline.
        screen: where to tell.
        keys: of the items.
    """
    unique = list(dict.fromkeys(keys))
    found = open_table(target).get(unique)
    for key in unique:
        if key not in found:
            screen.say(f"there is no request {key}: it was deleted, expired, or has another --type or --caller")
    return [found[key] for key in unique if key in found]


def delete_requests(target: Target, screen: Screen, rows: Sequence[Row], *, asked: int) -> bool:
    """Delete requests and their journals, and report; True if all that was asked for is done.

    A journal goes first: what is left when this is cut short can be found and deleted by the request's id.

    Args:
        target: the pipeline.
        screen: where to report.
        rows: the requests as they were found; a later one of the same id is left alone.
        asked: how many the operator named.
    """
    table, client = open_table(target), target.dynamodb()
    fates: dict[str, str] = {}
    for row in rows:
        _delete_journal(client, target.journal, row)
        fates[row.state.id] = DELETED if table.delete(row) else GONE
    if screen.as_json:
        screen.json({"requests": fates, "missing": asked - len(rows)})
    elif fates:
        screen.table(("WHAT", "ID"), [(fate, key) for key, fate in fates.items()])
    running = sum(row.state.status == names.PENDING for row in rows)
    if running:
        screen.say(
            f"pending until now: {running:,}; a handler may still be at work on them. Its outcome will be refused"
        )
    if rows:
        screen.say("copies stay in the stream and in backups until they expire (docs/operations.md)")
    return asked == sum(fate == DELETED for fate in fates.values())


def _delete_journal(client: "DynamoDBClient", journal: str, row: Row) -> None:
    """Delete the journal of every run, also those of requests that had the same id before; a later one's stays."""
    asked: Any = {
        "TableName": journal,
        "ConsistentRead": True,
        "KeyConditionExpression": "#id = :id AND #run < :later",
        "ProjectionExpression": "#id, #run",
        "ExpressionAttributeNames": {"#id": names.ID, "#run": names.RUN},
        "ExpressionAttributeValues": {
            ":id": attribute(row.state.id),
            ":later": attribute(names.run_key(row.state.accepted_at + 1, 0)),
        },
    }
    try:
        for page in client.get_paginator("query").paginate(**asked):
            keys = page["Items"]
            for start in range(0, len(keys), _BATCH):
                _delete_items(client, journal, keys[start : start + _BATCH])
    except client.exceptions.ResourceNotFoundException:
        return
    except (ClientError, BotoCoreError) as error:
        raise explain(error, service="DynamoDB", where=f"table {journal}") from error


def _delete_items(client: "DynamoDBClient", table: str, keys: Sequence[Mapping[str, Any]]) -> None:
    wanted: Any = {table: [{"DeleteRequest": {"Key": key}} for key in keys]}
    while wanted:
        wanted = client.batch_write_item(RequestItems=wanted).get("UnprocessedItems")
