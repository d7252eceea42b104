"""Reads everything a Kinesis stream holds, for tests."""

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from mypy_boto3_kinesis import KinesisClient


def all_records(client: "KinesisClient", stream: str) -> list[dict[str, Any]]:
    """Return per record its `shard`, `key` and decoded `record`, in order within a shard."""
    found = []
    for shard in client.list_shards(StreamName=stream)["Shards"]:
        iterator = client.get_shard_iterator(
            StreamName=stream, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        while True:
            answer = client.get_records(ShardIterator=iterator, Limit=1000)
            found += [
                {"shard": shard["ShardId"], "key": each["PartitionKey"], "record": msgspec.json.decode(each["Data"])}
                for each in answer["Records"]
            ]
            if not answer["Records"]:
                break
            iterator = answer["NextShardIterator"]
    return found
