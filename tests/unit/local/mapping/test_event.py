"""Events as a function is handed them."""

import json

from dropslot.local.mapping.event import EMPTY_EVENT_BYTES, event_of
from dropslot.runtimes.lambda_.event import stream_records
from tests.unit.local.mapping.records import STREAM_ARN, record, records


def test_an_event_has_the_documented_form() -> None:
    """Given a record, then its event has every field that Lambda's has, and nothing else."""
    (found,) = json.loads(event_of([record(7, data=b"\xff\x00", arrived=1545084650.9871)]))["Records"]

    assert found == {
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            "partitionKey": "key",
            "sequenceNumber": "7",
            "data": "/wA=",
            "approximateArrivalTimestamp": 1545084650.987,
        },
        "eventSource": "aws:kinesis",
        "eventVersion": "1.0",
        "eventID": "shardId-000000000000:7",
        "eventName": "aws:kinesis:record",
        "invokeIdentityArn": "arn:aws:iam::000000000000:role/dropslot-local",
        "awsRegion": "us-east-1",
        "eventSourceARN": STREAM_ARN,
    }


def test_the_function_reads_it_back() -> None:
    """Given an event, then the consumer's own reader finds the records in it."""
    event = json.loads(event_of([record(7, data=b"one"), record(8, data=b"two")]))

    assert [(one.sequence_number, one.data) for one in stream_records(event)] == [("7", b"one"), ("8", b"two")]


def test_its_size_is_known_before_it_is_made() -> None:
    """Given records, then their sizes add up to the event's; the last one's comma is one too many."""
    batch = records(1, 22, 333)

    assert EMPTY_EVENT_BYTES + sum(one.event_bytes for one in batch) == len(event_of(batch)) + 1
