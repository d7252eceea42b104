"""Gives a new application its leases before the daemon starts, which would take half a minute to make them itself."""

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError

from dropslot.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef
    from mypy_boto3_kinesis import KinesisClient
    from mypy_boto3_kinesis.type_defs import ShardTypeDef

log = logging.getLogger(__name__)

#: KCL looks for this index on start and makes it, then sleeps ten seconds before it looks again.
_OWNER_INDEX: Final = "LeaseOwnerToLeaseKeyIndex"
#: Most rows that one transaction may write (https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html).
_TRANSACTION_ROWS: Final = 100
_TABLE_POLL_SECONDS: Final = 1
_TABLE_POLLS: Final = 60

#: Overrides under which a new table, or its rows, would have to look different: then KCL makes them itself.
_KCL_DECIDES: Final = frozenset(
    {
        "initialLeaseTableReadCapacity",
        "initialLeaseTableWriteCapacity",
        "initialPositionInStream",
        "initialPositionInStreamExtended",
        "leaseTableDeletionProtectionEnabled",
        "streamArn",
        "tableName",
    }
)


def prepare_leases(settings: Settings, *, worker_id: str, dynamodb: "DynamoDBClient", kinesis: "KinesisClient") -> bool:
    """Make the lease table and one lease per shard, owned by this worker, if the application has none.

    Does what KCL's first start does, without its random wait for other workers: one transaction writes all leases or
    none, and only if none is there, so starting several workers at once is harmless. A shard's reading begins at its
    oldest record. Failing is harmless too: KCL then does it all, later.

    Args:
        settings: name application and stream.
        worker_id: the name under which the daemon will look for its leases.
        dynamodb: where the leases are kept.
        kinesis: where the shards are.

    Returns:
        True if leases were made.
    """
    if not _KCL_DECIDES.isdisjoint(settings.kcl_properties):
        return False
    try:
        if not _has_table(dynamodb, settings.application):
            _create_table(dynamodb, settings.application)
        elif dynamodb.scan(TableName=settings.application, Limit=1)["Count"]:
            return False
        shards = _list_shards(kinesis, settings.stream)
        if not 0 < len(shards) <= _TRANSACTION_ROWS:
            return False
        dynamodb.transact_write_items(
            TransactItems=[_new_lease(settings.application, worker_id, shard) for shard in shards]
        )
    except (ClientError, BotoCoreError) as failed:
        log.info("leases_not_prepared", extra={"error": f"{type(failed).__name__}: {failed}"})
        return False
    log.info("leases_prepared", extra={"shards": len(shards)})
    return True


def release_leadership(settings: Settings, *, worker_id: str, dynamodb: "DynamoDBClient") -> bool:
    """Give up the leadership that a killed daemon of this worker still holds.

    Only the leader assigns leases, and its lock runs out two minutes after it was killed: until then nobody would read
    the children of a split shard. To be called while no daemon of this worker runs. Failing is harmless: the lock
    runs out.

    Returns:
        True if this worker was the leader.
    """
    table = settings.kcl_properties.get("coordinatorStateTableName", f"{settings.application}-CoordinatorState")
    try:
        dynamodb.delete_item(
            TableName=table,
            Key={"key": {"S": "Leader"}},
            ConditionExpression="ownerName = :worker_id",
            ExpressionAttributeValues={":worker_id": {"S": worker_id}},
        )
    except (ClientError, BotoCoreError) as failed:
        code = failed.response.get("Error", {}).get("Code") if isinstance(failed, ClientError) else None
        if code not in {"ResourceNotFoundException", "ConditionalCheckFailedException"}:  # no table yet; another leads
            log.warning("leadership_not_released", extra={"error": f"{type(failed).__name__}: {failed}"})
        return False
    log.info("leadership_released")
    return True


def _has_table(dynamodb: "DynamoDBClient", name: str) -> bool:
    try:
        dynamodb.describe_table(TableName=name)
    except dynamodb.exceptions.ResourceNotFoundException:
        return False
    return True


def _create_table(dynamodb: "DynamoDBClient", name: str) -> None:
    dynamodb.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[
            {"AttributeName": "leaseKey", "AttributeType": "S"},
            {"AttributeName": "leaseOwner", "AttributeType": "S"},
        ],
        KeySchema=[{"AttributeName": "leaseKey", "KeyType": "HASH"}],
        GlobalSecondaryIndexes=[
            {
                "IndexName": _OWNER_INDEX,
                "KeySchema": [
                    {"AttributeName": "leaseOwner", "KeyType": "HASH"},
                    {"AttributeName": "leaseKey", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            }
        ],
    )
    dynamodb.get_waiter("table_exists").wait(
        TableName=name, WaiterConfig={"Delay": _TABLE_POLL_SECONDS, "MaxAttempts": _TABLE_POLLS}
    )


def _list_shards(kinesis: "KinesisClient", stream: str) -> Sequence["ShardTypeDef"]:
    """List the shards that were open at the oldest record: KCL finds their children when they end."""
    answer = kinesis.list_shards(StreamName=stream, ShardFilter={"Type": "AT_TRIM_HORIZON"})
    shards = list(answer["Shards"])
    while token := answer.get("NextToken"):
        answer = kinesis.list_shards(NextToken=token)
        shards += answer["Shards"]
    return shards


def _new_lease(table: str, worker_id: str, shard: "ShardTypeDef") -> "TransactWriteItemTypeDef":
    parents = [parent for name in ("ParentShardId", "AdjacentParentShardId") if (parent := _text(shard, name))]
    return {
        "Put": {
            "TableName": table,
            "ConditionExpression": "attribute_not_exists(leaseKey)",
            "Item": {
                "leaseKey": {"S": shard["ShardId"]},
                "leaseOwner": {"S": worker_id},
                "leaseCounter": {"N": "0"},
                "ownerSwitchesSinceCheckpoint": {"N": "0"},
                "checkpoint": {"S": "TRIM_HORIZON"},
                "checkpointSubSequenceNumber": {"N": "0"},
                "startingHashKey": {"S": shard["HashKeyRange"]["StartingHashKey"]},
                "endingHashKey": {"S": shard["HashKeyRange"]["EndingHashKey"]},
                **({"parentShardId": {"SS": parents}} if parents else {}),
            },
        }
    }


def _text(values: Mapping[str, object], name: str) -> str:
    value = values.get(name)
    return value if isinstance(value, str) else ""
