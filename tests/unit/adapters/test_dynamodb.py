"""What the table of requests makes of answers that no local server gives, whoever sends them."""

from collections.abc import Sequence

import pytest

from dropslot.adapters.requests.dynamodb import DynamoDBRequests, write_result
from dropslot.adapters.wire.service_error import ServiceError
from dropslot.core.errors import TransientError
from dropslot.core.policy import Done
from dropslot.core.transience import TRANSIENT_AWS_CODES
from dropslot.core.transitions import settle
from dropslot.engine.ports import WriteResult
from tests.unit.adapters.scripted import Answer, ScriptedCalls
from tests.unit.core.images import image, state
from tests.unit.engine.doubles import asynchronous


async def write_outcomes(calls: ScriptedCalls, count: int) -> Sequence[WriteResult]:
    """Write outcomes of as many requests."""
    outcomes = [settle(state(id=str(index)), Done(None), now_ms=1, ttl_seconds=1) for index in range(count)]
    return await DynamoDBRequests(calls).write(outcomes)


def refusal(code: str) -> ServiceError:
    """Return the error of a call as a whole."""
    return ServiceError("BatchExecuteStatement", "requests", code)


RESULTS: dict[str, WriteResult] = {
    "ConditionalCheckFailed": WriteResult.REFUSED,
    "ItemCollectionSizeLimitExceeded": WriteResult.TOO_LARGE,
    "ValidationError": WriteResult.INVALID,
    "AccessDenied": WriteResult.RETRY,
    "ResourceNotFound": WriteResult.RETRY,
    "DuplicateItem": WriteResult.REFUSED,
    "SomethingNew": WriteResult.RETRY,
    **dict.fromkeys(
        sorted(
            TRANSIENT_AWS_CODES
            & {
                "RequestLimitExceeded",
                "InternalServerError",
                "ProvisionedThroughputExceeded",
                "ThrottlingError",
                "TransactionConflict",
            }
        ),
        WriteResult.RETRY,
    ),
}


@pytest.mark.parametrize(("code", "result"), RESULTS.items())
def test_each_statement_code_has_its_result(code: str, result: WriteResult) -> None:
    """Codes of BatchStatementError: unknown ones keep the request open."""
    assert write_result({"Error": {"Code": code, "Message": "x"}}) is result


def test_a_statement_without_an_error_was_applied() -> None:
    """Given an answer that holds its table and no error, then the write was made."""
    assert write_result({"TableName": "requests"}) is WriteResult.APPLIED


def test_a_statement_that_makes_the_item_too_large_is_told_by_its_message() -> None:
    """Given the code of any validation, then the message makes the difference."""
    message = "Item size to update has exceeded the maximum allowed size"
    assert write_result({"Error": {"Code": "ValidationError", "Message": message}}) is WriteResult.TOO_LARGE


@asynchronous
async def test_results_keep_the_order_of_their_writes() -> None:
    """Given answers that differ, then each stands at its write's place."""
    refused = {"Error": {"Code": "ConditionalCheckFailed", "Message": "x"}}
    calls = ScriptedCalls({"Responses": [{}, refused, {}]})
    assert await write_outcomes(calls, 3) == [WriteResult.APPLIED, WriteResult.REFUSED, WriteResult.APPLIED]


@asynchronous
async def test_one_statement_that_spoils_the_call_is_found() -> None:
    """Given a call rejected as invalid, then each write is made alone, and only the bad one is invalid."""
    invalid = refusal("ValidationException")
    good: Answer = {"Responses": [{}]}
    calls = ScriptedCalls(invalid, good, invalid, good)
    assert await write_outcomes(calls, 3) == [WriteResult.APPLIED, WriteResult.INVALID, WriteResult.APPLIED]


@pytest.mark.parametrize("code", ["ThrottlingException", "AccessDeniedException", "ResourceNotFoundException"])
@asynchronous
async def test_any_other_error_of_a_call_leaves_all_of_it_open(code: str) -> None:
    """Given an error about the table, the role or the service, then no write is invalid, and none is made alone."""
    calls = ScriptedCalls(refusal(code))
    with pytest.raises(TransientError, match=rf"table requests: {code}"):
        await write_outcomes(calls, 3)


@asynchronous
async def test_keys_left_over_by_a_read_are_read_again() -> None:
    """A read that returns half of its items isn't an answer about the other half."""
    left = {"requests": {"Keys": [{"id": {"S": "2"}}], "ConsistentRead": True}}
    calls = ScriptedCalls(
        {"Responses": {"requests": [image("1")]}, "UnprocessedKeys": left},
        {"Responses": {"requests": [image("2")]}, "UnprocessedKeys": {}},
    )
    assert set(await DynamoDBRequests(calls).read(["1", "2"])) == {"1", "2"}
    assert calls.made[1] == ("BatchGetItem", {"RequestItems": left})


@asynchronous
async def test_a_read_that_gets_nowhere_is_throttled_not_missing() -> None:
    """Otherwise a throttled request would count as gone, and be lost."""
    calls = ScriptedCalls({"Responses": {}, "UnprocessedKeys": {"requests": {"Keys": [{"id": {"S": "1"}}]}}})
    with pytest.raises(TransientError, match="throttled"):
        await DynamoDBRequests(calls).read(["1"])


@asynchronous
async def test_reads_are_consistent_and_leave_the_body_out() -> None:
    """Never an eventually consistent read, never 400 KB an item."""
    calls = ScriptedCalls({"Responses": {"requests": []}, "UnprocessedKeys": {}})
    await DynamoDBRequests(calls).read(["1"])
    ((_, arguments),) = calls.made
    asked = arguments["RequestItems"]["requests"]
    assert asked["ConsistentRead"] is True
    wanted = set(asked["ExpressionAttributeNames"].values())
    assert {"id", "accepted_at", "attempt", "tries", "status", "ttl", "error"} <= wanted
    assert not {"request", "headers", "result"} & wanted
