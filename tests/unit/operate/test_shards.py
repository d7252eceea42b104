"""What a stream's answers mean: its shards, and where a position is; they are checked against the SDK's own models."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.stub import ANY, Stubber

from dropslot.operate.errors import OutOfReachError
from dropslot.operate.leases import LATEST, SHARD_END, TRIM_HORIZON
from dropslot.operate.shards import Reach, Shard, Stream

if TYPE_CHECKING:
    from mypy_boto3_kinesis import KinesisClient

NOW_MS = 1_760_000_000_000


@pytest.fixture
def client() -> "Iterator[KinesisClient]":
    """A client of Kinesis that reaches nobody."""
    kinesis: KinesisClient = boto3.client(
        "kinesis", region_name="eu-central-1", aws_access_key_id="x", aws_secret_access_key="x"
    )
    yield kinesis
    kinesis.close()


def page(*numbers: int, behind_ms: int = 0, is_last: bool = False) -> dict[str, Any]:
    """Return a page of records; each arrived so many seconds before now as its number is below 100."""
    return {
        "Records": [
            {
                "SequenceNumber": str(number),
                "ApproximateArrivalTimestamp": datetime.fromtimestamp(NOW_MS / 1000, UTC)
                - timedelta(seconds=100 - number),
                "Data": b"x",
                "PartitionKey": "a",
            }
            for number in numbers
        ],
        "MillisBehindLatest": behind_ms,
        **({} if is_last else {"NextShardIterator": "next"}),
    }


def arrived(number: int) -> int:
    """Return when a record arrived."""
    return NOW_MS - (100 - number) * 1000


CASES: dict[str, tuple[str, list[dict[str, Any]], Reach]] = {
    "at the end": ("40", [page(40)], Reach(resolved_until_ms=arrived(40))),
    "more behind it": ("40", [page(40, 41)], Reach(resolved_until_ms=arrived(40), behind_ms=59_000)),
    "in two pages": (
        "40",
        [page(behind_ms=1), page(40, behind_ms=1), page(behind_ms=1), page(43, 44)],
        Reach(resolved_until_ms=arrived(40), behind_ms=57_000),
    ),
    "record dropped": ("40", [page(90, 91)], Reach(behind_ms=10_000)),
    "all dropped": ("40", [page()], Reach()),
    "nothing resolved": (TRIM_HORIZON, [page(5, 6)], Reach(behind_ms=95_000)),
    "no records": (TRIM_HORIZON, [page()], Reach()),
    "closed shard": ("40", [page(40, behind_ms=9, is_last=True)], Reach(resolved_until_ms=arrived(40), behind_ms=9)),
    "empty reads": (TRIM_HORIZON, [page(behind_ms=7)] * 5, Reach(behind_ms=7)),
    "from the newest on": (LATEST, [], Reach()),
    "ended": (SHARD_END, [], Reach()),
}


@pytest.mark.parametrize("case", CASES)
def test_a_position_lies_between_two_records(client: "KinesisClient", case: str) -> None:
    """Given a position and what is read there, the record at it and the one after it tell how far it is."""
    position, pages, reach = CASES[case]
    is_number = position.isdigit()
    with Stubber(client) as stub:
        if pages:
            start = {"StartingSequenceNumber": position} if is_number else {}
            kind = "AT_SEQUENCE_NUMBER" if is_number else TRIM_HORIZON
            asked = {"StreamName": "requests", "ShardId": "s1", "ShardIteratorType": kind, **start}
            stub.add_response("get_shard_iterator", {"ShardIterator": "first"}, asked)
        for answer in pages:
            stub.add_response("get_records", answer, {"ShardIterator": ANY, "Limit": 2})
        assert Stream(client, "requests").reach("s1", position, now_ms=NOW_MS) == reach
        stub.assert_no_pending_responses()


def test_parents_are_named_whether_or_not_they_are_there(client: "KinesisClient") -> None:
    """Given a merge's child, and one whose parent is past its retention, both tell what they came from."""

    def one(shard_id: str, *, ends: bool = False, **parents: str) -> dict[str, Any]:
        numbers = {"StartingSequenceNumber": "1", **({"EndingSequenceNumber": "2"} if ends else {})}
        keys = {"StartingHashKey": "0", "EndingHashKey": "9"}
        return {"ShardId": shard_id, "HashKeyRange": keys, "SequenceNumberRange": numbers, **parents}

    merged = one("s3", ParentShardId="s1", AdjacentParentShardId="s2")
    with Stubber(client) as stub:
        first = {"Shards": [one("s1", ends=True, ParentShardId="s0"), one("s2", ends=True)], "NextToken": "more"}
        stub.add_response("list_shards", first, {"StreamName": "requests"})
        stub.add_response("list_shards", {"Shards": [merged]}, {"NextToken": "more"})
        assert Stream(client, "requests").shards() == {
            "s1": Shard(shard_id="s1", parents=("s0",), closed=True),
            "s2": Shard(shard_id="s2", parents=(), closed=True),
            "s3": Shard(shard_id="s3", parents=("s1", "s2"), closed=False),
        }


def test_a_stream_that_is_not_there_is_told(client: "KinesisClient") -> None:
    """Given no such stream, the sentence names it."""
    with Stubber(client) as stub:
        stub.add_client_error("get_shard_iterator", "ResourceNotFoundException")
        with pytest.raises(OutOfReachError, match="shard s1 of stream requests isn't there"):
            Stream(client, "requests").reach("s1", "40", now_ms=NOW_MS)
