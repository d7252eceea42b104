"""Batches that fail: partial answers, halving, limits, and what the failure destination gets."""

import base64
import json
import subprocess
from typing import Any

import pytest

from tests.integration.mapping.conftest import Mapped


def test_a_partial_answer_repeats_from_the_lowest_reported_record(mapped: Mapped) -> None:
    """Given five records of which the third and the fifth are reported, then the third and all behind it come again."""
    numbers = mapped.put({"n": 1}, {"n": 2}, {"n": 3, "do": "report once"}, {"n": 4}, {"n": 5, "do": "report once"})

    mapped.run_to_end(*numbers)

    assert mapped.batches() == [[1, 2, 3, 4, 5], [3, 4, 5]]
    assert mapped.given_up() == []


@pytest.mark.parametrize(
    "value",
    [
        {"batchItemFailures": [{"itemIdentifier": ""}]},
        {"batchItemFailures": [{"itemIdentifier": None}]},
        {"batchItemFailures": [{"identifier": "1"}]},
        {"batchItemFailures": [{"itemIdentifier": "of no record"}]},
        "text",
    ],
)
def test_an_answer_of_another_form_fails_the_whole_batch(mapped: Mapped, value: Any) -> None:
    """Given an answer that is no partial batch response, then all of the batch is delivered again, up to the limit."""
    numbers = mapped.put({"n": 1}, {"n": 2, "do": "answer", "value": value})

    mapped.run_to_end(*numbers, bisect=False, retry_attempts=1)

    assert mapped.batches() == [[1, 2], [1, 2]]
    (record,) = mapped.given_up()
    assert record["KinesisBatchInfo"]["batchSize"] == 2
    assert record["responseContext"]["functionError"] is None


@pytest.mark.parametrize("value", [None, {}, {"batchItemFailures": None}, {"batchItemFailures": []}])
def test_an_empty_answer_resolves_the_batch(mapped: Mapped, value: Any) -> None:
    """Given an answer that Lambda takes for success, then nothing comes again."""
    numbers = mapped.put({"n": 1}, {"n": 2, "do": "answer", "value": value})

    mapped.run_to_end(*numbers, retry_attempts=0)

    assert mapped.batches() == [[1, 2]]
    assert mapped.given_up() == []


def test_bisecting_finds_the_record_that_fails_and_costs_no_retry(mapped: Mapped) -> None:
    """Given four records of which the third raises, and no retries, then it alone is given up, the others processed."""
    numbers = mapped.put({"n": 1}, {"n": 2}, {"n": 3, "do": "raise"}, {"n": 4})

    mapped.run_to_end(*numbers, retry_attempts=0)

    assert mapped.batches() == [[1, 2, 3, 4], [1, 2], [3, 4], [3], [4]]
    (record,) = mapped.given_up()
    assert record["KinesisBatchInfo"]["startSequenceNumber"] == numbers[2]
    assert record["KinesisBatchInfo"]["endSequenceNumber"] == numbers[2]
    assert record["requestContext"]["approximateInvokeCount"] == 3


def test_the_retry_limit_ends_it_and_the_destination_gets_the_whole_event(mapped: Mapped) -> None:
    """Given a batch that fails always and two retries, then after three deliveries its record holds all of its data."""
    wishes = [{"n": 1, "order": "pizza"}, {"n": 2, "do": "raise"}]
    numbers = mapped.put(*wishes)

    mapped.run_to_end(*numbers, bisect=False, retry_attempts=2)

    assert mapped.batches() == [[1, 2]] * 3
    (record,) = mapped.given_up()
    assert record["version"] == "1.0"
    assert record["requestContext"]["condition"] == "RetryAttemptsExhausted"
    assert record["requestContext"]["approximateInvokeCount"] == 3
    assert record["responseContext"] == {"statusCode": 200, "executedVersion": "1", "functionError": "Unhandled"}
    info = record["KinesisBatchInfo"]
    assert (info["startSequenceNumber"], info["endSequenceNumber"], info["batchSize"]) == (*numbers, 2)
    assert info["streamArn"].endswith(f":stream/{mapped.stream}")
    event = json.loads(record["payload"])
    assert [each["kinesis"]["sequenceNumber"] for each in event["Records"]] == numbers
    data = [json.loads(base64.b64decode(each["kinesis"]["data"])) for each in event["Records"]]
    assert data == [{"eventName": "INSERT", **wish} for wish in wishes]


def test_what_comes_behind_a_given_up_batch_is_processed(mapped: Mapped) -> None:
    """Given a batch that fails always, when it is given up, then the shard goes on."""
    numbers = mapped.put({"n": 1, "do": "die"}, {"n": 2})

    mapped.run_to_end(*numbers, batch_size=1, retry_attempts=1)

    assert mapped.batches() == [[1], [1], [2]]


def test_the_age_limit_ends_endless_retries(mapped: Mapped) -> None:
    """Given a batch that fails always and no limit of retries, then its records are given up once they are too old."""
    numbers = mapped.put({"n": 1, "do": "raise"})

    mapped.run_to_end(*numbers, retry_attempts=-1, record_age_seconds=1.5)

    (record,) = mapped.given_up()
    assert record["requestContext"]["condition"] == "RecordAgeExceeded"
    assert record["requestContext"]["approximateInvokeCount"] == len(mapped.batches()) >= 2


def test_a_record_that_is_too_old_is_never_delivered(mapped: Mapped) -> None:
    """Given records from before the age limit, then they go to the destination without an invocation."""
    numbers = mapped.put({"n": 1}, {"n": 2})

    mapped.run_to_end(*numbers, record_age_seconds=0)

    assert mapped.batches() == []
    (record,) = mapped.given_up()
    assert record["requestContext"]["approximateInvokeCount"] == 0
    assert record["responseContext"] is None
    assert record["KinesisBatchInfo"]["batchSize"] == 2


@pytest.mark.parametrize("do", ["die", "sleep", "eat"])
def test_a_lost_process_is_a_failed_invocation_and_is_replaced(mapped: Mapped, do: str) -> None:
    """Given a function that dies, takes too long or too much memory, then the next delivery meets a new process."""
    numbers = mapped.put({"n": 1, "do": do, "seconds": 60}, {"n": 2})

    mapped.run_to_end(*numbers, batch_size=1, retry_attempts=1, stream_timeout_seconds=1, stream_memory_mib=128)

    assert mapped.batches()[-1] == [2]
    assert len({note["pid"] for note in mapped.invocations()}) == len(mapped.batches()) == 3
    (record,) = mapped.given_up()
    assert record["responseContext"]["functionError"] == "Unhandled"


def test_what_a_handler_has_started_goes_with_its_environment(mapped: Mapped) -> None:
    """Given a handler whose child outlives its time-out, then the child is ended too."""
    numbers = mapped.put({"n": 1, "do": "spawn"})

    mapped.run_to_end(*numbers, retry_attempts=0, stream_timeout_seconds=1)

    session = str(mapped.invocations()[0]["pid"])
    left = subprocess.run(["ps", "-o", "stat=", "-s", session], capture_output=True, text=True, check=False).stdout
    # What has ended may wait for its new parent to notice.
    assert [state for state in left.split() if not state.startswith("Z")] == []


def test_without_a_destination_what_is_given_up_is_dropped(mapped: Mapped) -> None:
    """Given no failure destination, when a record is given up, then the next ones are delivered all the same."""
    last = mapped.put({"n": 1, "do": "raise"}, {"n": 2})[-1]

    mapped.run_to_end(last, keeps_failures=False, retry_attempts=0)

    assert mapped.batches() == [[1, 2], [1], [2]]
    assert mapped.given_up() == []
