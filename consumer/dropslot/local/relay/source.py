"""Reads the table's change stream, shard by shard, parents before children."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_dynamodbstreams import DynamoDBStreamsClient

#: GetRecords returns at most this many (https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_streams_GetRecords.html).
_LIMIT: Final = 1000
#: After this many reads the list of shards is fetched again, for shards that appeared without one ending.
_REFRESH_READS: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One change of the table.

    Args:
        shard_id: shard of the change stream.
        sequence_number: position in the shard.
        event: the record as boto3 returns it.
    """

    shard_id: str
    sequence_number: str
    event: Mapping[str, Any]


class ChangeSource:
    """Follows a change stream; changes of one item come in their order.

    Args:
        client: of DynamoDB Streams.
        stream_arn: the change stream.
        positions: where to go on: per shard, the last sequence number that needn't be read again.
    """

    def __init__(self, client: "DynamoDBStreamsClient", stream_arn: str, positions: Mapping[str, str]) -> None:
        self._client = client
        self._stream_arn = stream_arn
        self._last = dict(positions)
        self._iterators: dict[str, str] = {}
        self._finished: set[str] = set()
        self._reads = 0

    def read(self) -> Iterator[list[Change]]:
        """Read once from each shard that can be read now; yields what each returned, if anything.

        Raises:
            botocore.exceptions.ClientError: DynamoDB refused. Reading again goes on where this stopped.
            botocore.exceptions.BotoCoreError: DynamoDB couldn't be reached; the same.
        """
        if self._reads % _REFRESH_READS == 0 or not self._iterators:
            self._find_shards()
        self._reads += 1
        for shard_id in list(self._iterators):
            changes = self._read_shard(shard_id)
            if changes:
                yield changes

    def _find_shards(self) -> None:
        parents: dict[str, str | None] = {}
        arguments: dict[str, Any] = {"StreamArn": self._stream_arn}
        while True:
            description = self._client.describe_stream(**arguments)["StreamDescription"]
            parents.update({shard["ShardId"]: shard.get("ParentShardId") for shard in description["Shards"]})
            if "LastEvaluatedShardId" not in description:
                break
            arguments["ExclusiveStartShardId"] = description["LastEvaluatedShardId"]
        for shard_id, parent in parents.items():
            waits = parent in parents and parent not in self._finished
            if shard_id not in self._iterators and shard_id not in self._finished and not waits:
                self._iterators[shard_id] = self._iterator(shard_id)

    def _iterator(self, shard_id: str) -> str:
        last = self._last.get(shard_id)
        if last is not None:
            try:
                return self._client.get_shard_iterator(
                    StreamArn=self._stream_arn,
                    ShardId=shard_id,
                    ShardIteratorType="AFTER_SEQUENCE_NUMBER",
                    SequenceNumber=last,
                )["ShardIterator"]
            except self._client.exceptions.TrimmedDataAccessException:
                pass  # it is older than a day: all that is left comes after it
        return self._client.get_shard_iterator(
            StreamArn=self._stream_arn, ShardId=shard_id, ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]

    def _read_shard(self, shard_id: str) -> list[Change]:
        try:
            answer = self._client.get_records(ShardIterator=self._iterators[shard_id], Limit=_LIMIT)
        except (self._client.exceptions.ExpiredIteratorException, self._client.exceptions.TrimmedDataAccessException):
            # DynamoDB Local calls an iterator of an empty shard trimmed once it has data: take a new one next time.
            del self._iterators[shard_id]
            return []
        except ClientError:
            # Whatever else was wrong with it (it is from before a restart, say).
            del self._iterators[shard_id]
            raise
        changes = [
            Change(shard_id=shard_id, sequence_number=event["dynamodb"]["SequenceNumber"], event=event)
            for event in answer["Records"]
        ]
        if changes:
            self._last[shard_id] = changes[-1].sequence_number
        following = answer.get("NextShardIterator")
        if following is None:
            del self._iterators[shard_id]
            self._finished.add(shard_id)
        else:
            self._iterators[shard_id] = following
        return changes
