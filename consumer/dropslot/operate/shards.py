"""What the stream says: its shards, and when the records arrived that a position lies between."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from dropslot.operate.leases import LATEST, SHARD_END, TRIM_HORIZON
from dropslot.operate.trouble import explain

if TYPE_CHECKING:
    from mypy_boto3_kinesis import KinesisClient

#: A read may find nothing although there is something behind: https://docs.aws.amazon.com/streams/latest/dev/troubleshooting-consumers.html
_READS: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """One shard of the stream.

    Args:
        shard_id: its id.
        parents: the shards it came from, also those that the stream doesn't have any more.
        closed: it gets no more records: it was split or merged.
    """

    shard_id: str
    parents: tuple[str, ...]
    closed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """How far a position is in its shard.

    Args:
        resolved_until_ms: when the record at the position arrived, in epoch milliseconds; None if there is no record at
            it, or not any more.
        behind_ms: how long ago the first record after it arrived; 0 if there is none.
    """

    resolved_until_ms: int | None = None
    behind_ms: int = 0


class Stream:
    """Reads a stream; each read counts against the five that a shard allows in a second.

    Args:
        client: of Kinesis.
        name: of the stream.
    """

    def __init__(self, client: "KinesisClient", name: str) -> None:
        self._client = client
        self._name = name

    def shards(self) -> Mapping[str, Shard]:
        """Return all shards that the stream has, closed ones for as long as it keeps their records.

        Raises:
            OutOfReachError: the stream can't be asked.
        """
        found: list[Any] = []
        arguments: dict[str, Any] = {"StreamName": self._name}
        try:
            while True:
                answer = self._client.list_shards(**arguments)
                found += answer["Shards"]
                if "NextToken" not in answer:
                    break
                arguments = {"NextToken": answer["NextToken"]}
        except (ClientError, BotoCoreError) as error:
            raise explain(error, service="Kinesis", where=f"stream {self._name}") from error
        return {
            shard["ShardId"]: Shard(
                shard_id=shard["ShardId"],
                parents=tuple(
                    parent
                    for parent in (shard.get("ParentShardId"), shard.get("AdjacentParentShardId"))
                    if parent is not None
                ),
                closed="EndingSequenceNumber" in shard["SequenceNumberRange"],
            )
            for shard in found
        }

    def reach(self, shard_id: str, position: str, *, now_ms: int) -> Reach:
        """Return how far a position is: one look at the record there and the one after it.

        Args:
            shard_id: the shard.
            position: a sequence number, or a word of `leases`.
            now_ms: epoch milliseconds.

        Raises:
            OutOfReachError: the stream can't be asked.
        """
        if position in {LATEST, SHARD_END}:
            return Reach()
        start: dict[str, Any] = (
            {"ShardIteratorType": "AT_SEQUENCE_NUMBER", "StartingSequenceNumber": position}
            if position.isdigit()
            else {"ShardIteratorType": TRIM_HORIZON}
        )
        resolved_until_ms: int | None = None
        behind_ms = 0
        try:
            iterator: str | None = self._client.get_shard_iterator(StreamName=self._name, ShardId=shard_id, **start)[
                "ShardIterator"
            ]
            for _ in range(_READS):
                if iterator is None:
                    break
                answer = self._client.get_records(ShardIterator=iterator, Limit=2)
                for record in answer["Records"]:
                    arrived_ms = round(record["ApproximateArrivalTimestamp"].timestamp() * 1000)
                    if record["SequenceNumber"] != position:
                        return Reach(resolved_until_ms=resolved_until_ms, behind_ms=max(0, now_ms - arrived_ms))
                    resolved_until_ms = arrived_ms
                behind_ms = answer.get("MillisBehindLatest", 0)
                if not behind_ms:
                    break
                iterator = answer.get("NextShardIterator")
        except (ClientError, BotoCoreError) as error:
            raise explain(error, service="Kinesis", where=f"shard {shard_id} of stream {self._name}") from error
        return Reach(resolved_until_ms=resolved_until_ms, behind_ms=behind_ms)
