"""What follows from an answer, as Lambda documents it."""

from typing import Any

import pytest

from dropslot.local.mapping.verdict import Answer, Batch, Verdict, judge, split_by_age
from tests.unit.local.mapping.records import record, records


def _answer(value: Any = None, *, failed: bool = False) -> Answer:
    return Answer(request_id="request", failed=failed, value=value)


def _reports(*numbers: int) -> Answer:
    return _answer({"batchItemFailures": [{"itemIdentifier": str(number)} for number in numbers]})


def _numbers(verdict: Verdict) -> list[list[str]]:
    return [[one.sequence_number for one in batch.records] for batch in verdict.again]


@pytest.mark.parametrize("value", [None, {}, {"batchItemFailures": None}, {"batchItemFailures": []}])
def test_an_empty_answer_resolves_all(value: Any) -> None:
    """Given one of the four answers that are documented as success, then nothing is left."""
    assert judge(Batch(records=records(1, 2)), _answer(value), bisect=True, retry_attempts=0) == Verdict()


@pytest.mark.parametrize(
    "value",
    [
        "text",
        [],
        {"batchItemFailures": "1"},
        {"batchItemFailures": [None]},
        {"batchItemFailures": [{"itemIdentifier": ""}]},
        {"batchItemFailures": [{"itemIdentifier": None}]},
        {"batchItemFailures": [{"identifier": "1"}]},
        {"batchItemFailures": [{"itemIdentifier": "3"}, {"itemIdentifier": "9"}]},
    ],
)
def test_a_malformed_answer_is_a_failure_of_all(value: Any) -> None:
    """Given an answer of another form, or one that names a record of no batch, then all is left, for one retry less."""
    verdict = judge(Batch(records=records(2, 3)), _answer(value), bisect=False, retry_attempts=5)

    assert _numbers(verdict) == [["2", "3"]]
    assert verdict.again[0].retries == 1
    assert verdict.failed


def test_the_lowest_reported_record_is_where_it_goes_on() -> None:
    """Given reports in any order, then all from the first of them in the batch is left."""
    verdict = judge(Batch(records=records(9, 10, 11, 12)), _reports(12, 10), bisect=True, retry_attempts=0)

    assert _numbers(verdict) == [["10", "11", "12"]]
    assert not verdict.failed


def test_cutting_a_batch_costs_a_retry_only_without_bisect() -> None:
    """Given a partial answer, then the rest keeps its retries with bisect on, and has used one up with bisect off."""
    batch = Batch(records=records(1, 2), retries=3)
    with_bisect, without = (judge(batch, _reports(2), bisect=bisect, retry_attempts=9) for bisect in (True, False))

    assert (with_bisect.again[0].retries, without.again[0].retries) == (3, 4)


def test_a_report_of_the_first_record_is_retried_whole() -> None:
    """Given a partial answer that resolves nothing, then the batch isn't halved, and the retry counts."""
    verdict = judge(Batch(records=records(1, 2)), _reports(1), bisect=True, retry_attempts=1)

    assert _numbers(verdict) == [["1", "2"]]
    assert verdict.again[0].retries == 1
    assert verdict.failed


def test_a_function_error_halves_the_batch() -> None:
    """Given a function error, then both halves come again, the first half first, with all of their retries."""
    verdict = judge(Batch(records=records(1, 2, 3), retries=1), _answer(failed=True), bisect=True, retry_attempts=1)

    assert _numbers(verdict) == [["1"], ["2", "3"]]
    assert [(batch.retries, batch.invocations) for batch in verdict.again] == [(1, 1), (1, 1)]


@pytest.mark.parametrize("bisect", [True, False])
def test_the_last_retry_ends_in_giving_up(*, bisect: bool) -> None:
    """Given a single record whose retries are used up, then it is given up, with all its invocations."""
    batch = Batch(records=records(1), retries=2, invocations=4)
    verdict = judge(batch, _answer(failed=True), bisect=bisect, retry_attempts=2)

    assert verdict.again == ()
    assert verdict.given_up == Batch(records=batch.records, retries=2, invocations=5)


def test_without_a_limit_retries_go_on() -> None:
    """Given a limit of -1, then there is always another retry."""
    verdict = judge(Batch(records=records(1), retries=10_000), _answer(failed=True), bisect=True, retry_attempts=-1)

    assert verdict.again[0].retries == 10_001


def test_age_divides_a_batch() -> None:
    """Given records on both sides of the limit, then the older ones are apart; without a limit none are."""
    batch = Batch(records=tuple(record(number, arrived=number) for number in (1, 2, 3)), retries=1, invocations=2)

    old, young = split_by_age(batch, now_epoch_seconds=12, record_age_seconds=10)
    assert old == Batch(records=batch.records[:1], retries=1, invocations=2)
    assert young == Batch(records=batch.records[1:], retries=1, invocations=2)
    assert split_by_age(batch, now_epoch_seconds=12, record_age_seconds=-1) == (None, batch)
    assert split_by_age(batch, now_epoch_seconds=99, record_age_seconds=10) == (batch, None)
