"""Change records: AWS's fields, order and limits."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropslot.local.relay.record import (
    RECORD_MAX_BYTES,
    change_record,
    creation_time_us,
    partition_key,
    too_large,
)

# What DynamoDB Streams hands over, as boto3 returns it, for the change in `AWS_RECORD`.
STREAMS_EVENT: dict[str, Any] = {
    "eventID": "5f2c9f0e-6b0a-4d4e-9b8d-2f0d6c1f7a11",
    "eventName": "MODIFY",
    "eventVersion": "1.1",
    "eventSource": "aws:dynamodb",
    "awsRegion": "ddblocal",
    "dynamodb": {
        "Keys": {"id": {"S": "order-1"}},
        "NewImage": {"id": {"S": "order-1"}, "count": {"N": "2"}, "raw": {"B": b"\x00\xff"}},
        "OldImage": {"id": {"S": "order-1"}, "count": {"N": "1"}},
        "SequenceNumber": "000000000000000000002",
        "SizeBytes": 41,
        "StreamViewType": "NEW_AND_OLD_IMAGES",
    },
}

# Such a record as AWS's Kinesis Data Streams for DynamoDB writes it, with microseconds as its precision.
AWS_RECORD: dict[str, Any] = {
    "awsRegion": "us-east-1",
    "eventID": "5f2c9f0e-6b0a-4d4e-9b8d-2f0d6c1f7a11",
    "eventName": "MODIFY",
    "userIdentity": None,
    "recordFormat": "application/json",
    "tableName": "requests",
    "dynamodb": {
        "ApproximateCreationDateTime": 1720742302233719,
        "Keys": {"id": {"S": "order-1"}},
        "NewImage": {"id": {"S": "order-1"}, "count": {"N": "2"}, "raw": {"B": "AP8="}},
        "OldImage": {"id": {"S": "order-1"}, "count": {"N": "1"}},
        "SizeBytes": 41,
        "ApproximateCreationDateTimePrecision": "MICROSECOND",
    },
    "eventSource": "aws:dynamodb",
}


def _record(event: dict[str, Any], *, expired: bool = False) -> dict[str, Any]:
    data = change_record(
        event, table="requests", region="us-east-1", created_epoch_us=1720742302233719, expired=expired
    )
    decoded: dict[str, Any] = json.loads(data)
    return decoded


def test_a_record_is_what_aws_writes() -> None:
    """Given a change, its record has AWS's fields with AWS's values in AWS's order, and no others."""
    record = _record(STREAMS_EVENT)

    assert record == AWS_RECORD
    assert list(record) == list(AWS_RECORD)
    assert list(record["dynamodb"]) == list(AWS_RECORD["dynamodb"])


@pytest.mark.parametrize(("name", "absent"), [("INSERT", "OldImage"), ("REMOVE", "NewImage")])
def test_an_image_that_is_not_there_is_left_out(name: str, absent: str) -> None:
    """Given an insertion or a removal, the other image isn't a field with null, but no field."""
    change = {key: value for key, value in STREAMS_EVENT["dynamodb"].items() if key != absent}

    assert absent not in _record(STREAMS_EVENT | {"eventName": name, "dynamodb": change})["dynamodb"]


def test_a_deletion_by_time_to_live_names_the_service() -> None:
    """Given a deletion by time to live, the record names DynamoDB as who did it."""
    assert _record(STREAMS_EVENT, expired=True)["userIdentity"] == {
        "type": "Service",
        "principalId": "dynamodb.amazonaws.com",
    }


@given(st.text(), st.text())
def test_any_text_survives(request_id: str, body: str) -> None:
    """Given any text in an item, the record's JSON gives the same text back."""
    keys = {"id": {"S": request_id}}
    change = STREAMS_EVENT["dynamodb"] | {"Keys": keys, "NewImage": {**keys, "request": {"S": body}}}

    assert _record(STREAMS_EVENT | {"dynamodb": change})["dynamodb"]["NewImage"] == {**keys, "request": {"S": body}}


@given(st.text(), st.text())
def test_the_partition_key_depends_on_the_item_alone(one: str, other: str) -> None:
    """Given two items, their partition keys are 32 hex digits, and equal only if the items are the same."""
    first, second = partition_key({"id": {"S": one}}), partition_key({"id": {"S": other}})

    assert re.fullmatch(r"[0-9A-F]{32}", first)
    assert (first == second) == (one == other)


def test_the_partition_key_ignores_the_order_of_key_attributes() -> None:
    """Given a key of two attributes, their order doesn't matter."""
    assert partition_key({"a": {"S": "1"}, "b": {"N": "2"}}) == partition_key({"b": {"N": "2"}, "a": {"S": "1"}})


@pytest.mark.parametrize(("excess", "large"), [(0, False), (1, True)])
def test_one_megabyte_is_the_limit(excess: int, large: bool) -> None:
    """Given data and key of exactly 1 MiB together, they pass; one byte more doesn't."""
    key = "0" * 32

    assert too_large(b"x" * (RECORD_MAX_BYTES - len(key) + excess), key) is large


@pytest.mark.parametrize(
    ("read", "expected"),
    [
        pytest.param(60_000_005, 60_000_005, id="read at once: the time of reading"),
        pytest.param(59_999_000, 60_000_000, id="a clock behind: not before the minute"),
        pytest.param(500_000_000, 119_999_999, id="read late: still in the minute of the change"),
    ],
)
def test_creation_times_stay_in_the_minute_that_is_known(read: int, expected: int) -> None:
    """Given a time rounded to the minute and the time of reading, the time of the change is the best guess."""
    assert creation_time_us(60_000_000, read) == expected
