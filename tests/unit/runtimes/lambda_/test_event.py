"""The event of a Kinesis mapping, and what isn't one."""

from typing import Any

import pytest

from dropslot.runtimes.lambda_.event import UnexpectedEventError, stream_records
from tests.unit.runtimes.lambda_.stand import event, lambda_record


def test_records_keep_their_order_their_bytes_and_their_time() -> None:
    """Given two records, then both come out as they were put, in that order."""
    first, second = stream_records(event(lambda_record(b"\x00one", 7, 1.25), lambda_record(b"", 8, 2)))
    assert (first.sequence_number, first.data, first.arrived_epoch_seconds) == ("7", b"\x00one", 1.25)
    assert (second.sequence_number, second.data, second.arrived_epoch_seconds) == ("8", b"", 2)


@pytest.mark.parametrize("data", ["a", "abcde", "é"])
def test_data_that_is_no_base64_costs_its_record_only(data: str) -> None:
    """Given a record that can't be decoded, then it is there without data, and its neighbour is whole."""
    broken, whole = stream_records(event(lambda_record(data, 7, 1), lambda_record(b"two", 8, 1)))
    assert (broken.data, whole.data) == (b"", b"two")


@pytest.mark.parametrize(
    "foreign",
    [
        {},
        {"Records": [{"body": "of SQS", "messageId": "1"}]},
        {"Records": [{"eventID": "1", "dynamodb": {"SequenceNumber": "1"}}]},
        {"Records": None},
    ],
)
def test_another_event_is_refused(foreign: dict[str, Any]) -> None:
    """Given the event of another service, then the function fails and says why, without the event's content."""
    with pytest.raises(UnexpectedEventError, match="no batch of a Kinesis stream") as refused:
        stream_records(foreign)
    assert "SQS" not in str(refused.value)


def test_records_of_several_shards_are_refused() -> None:
    """Given two shards in one batch, then no single sequence number could tell how far it is resolved."""
    with pytest.raises(UnexpectedEventError, match="several shards"):
        stream_records(event(lambda_record(b"", 7, 1, shard="shardId-1"), lambda_record(b"", 8, 1, shard="shardId-2")))
