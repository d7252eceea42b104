"""What the DynamoDB adapter makes of answers that no local server gives (botocore's own stub answers)."""

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.stub import Stubber

from dropslot.adapters.requests.dynamodb import DynamoDBRequests
from dropslot.core.errors import TransientError
from dropslot.core.policy import Done
from dropslot.core.transience import TRANSIENT_AWS_CODES
from dropslot.core.transitions import settle
from dropslot.engine.ports import WriteResult
from tests.unit.core.images import image, state

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


@pytest.fixture
def client() -> Iterator["DynamoDBClient"]:
    """A client that reaches nothing."""
    client = boto3.client(
        "dynamodb",
        region_name="us-east-1",
        aws_access_key_id="local",
        aws_secret_access_key="local",
        endpoint_url="http://127.0.0.1:9",
    )
    yield client
    client.close()


def write(client: "DynamoDBClient", count: int = 1) -> list[WriteResult]:
    """Write outcomes of as many requests."""
    requests = DynamoDBRequests(client, "requests")
    outcomes = [settle(state(id=str(index)), Done(None), now_ms=1, ttl_seconds=1) for index in range(count)]
    try:
        return list(asyncio.run(requests.write(outcomes)))
    finally:
        requests.close()


RESULTS: dict[str, WriteResult] = {
    "ConditionalCheckFailed": WriteResult.REFUSED,
    "ItemCollectionSizeLimitExceeded": WriteResult.TOO_LARGE,
    "ValidationError": WriteResult.INVALID,
    "AccessDenied": WriteResult.RETRY,
    "ResourceNotFound": WriteResult.RETRY,
    "DuplicateItem": WriteResult.RETRY,
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
def test_each_statement_code_has_its_result(client: "DynamoDBClient", code: str, result: WriteResult) -> None:
    """Codes of BatchStatementError: unknown ones keep the request open."""
    with Stubber(client) as stub:
        answer: Any = {"Responses": [{"Error": {"Code": code, "Message": "x"}}, {}]}
        stub.add_response("batch_execute_statement", answer)
        assert write(client, 2) == [result, WriteResult.APPLIED]


def test_a_statement_that_makes_the_item_too_large_is_told_by_its_message(client: "DynamoDBClient") -> None:
    """The code alone is any validation's."""
    with Stubber(client) as stub:
        message = "Item size to update has exceeded the maximum allowed size"
        answer: Any = {"Responses": [{"Error": {"Code": "ValidationError", "Message": message}}]}
        stub.add_response("batch_execute_statement", answer)
        assert write(client) == [WriteResult.TOO_LARGE]


@pytest.mark.parametrize(
    "code",
    [
        "ThrottlingException",
        "AccessDeniedException",
        "InternalServerError",
        "UnrecognizedClientException",
        "ExpiredTokenException",
    ],
)
def test_a_call_that_fails_as_a_whole_may_be_made_later(client: "DynamoDBClient", code: str) -> None:
    """An operator can mend a permission; nothing is lost meanwhile. The code is told."""
    with Stubber(client) as stub:
        stub.add_client_error("batch_execute_statement", code)
        with pytest.raises(TransientError, match=code):
            write(client, 3)


def test_one_statement_that_spoils_the_call_is_found(client: "DynamoDBClient") -> None:
    """Given a call rejected as invalid, then each write is made alone, and only the bad one is invalid."""
    with Stubber(client) as stub:
        stub.add_client_error("batch_execute_statement", "ValidationException")
        good: Any = {"Responses": [{}]}
        stub.add_response("batch_execute_statement", good)
        stub.add_client_error("batch_execute_statement", "ValidationException")
        stub.add_response("batch_execute_statement", good)
        assert write(client, 3) == [WriteResult.APPLIED, WriteResult.INVALID, WriteResult.APPLIED]


def test_keys_left_over_by_a_read_are_read_again(client: "DynamoDBClient") -> None:
    """A read that returns half of its items isn't an answer about the other half."""
    requests = DynamoDBRequests(client, "requests")
    left: Any = {"requests": {"Keys": [{"id": {"S": "2"}}], "ConsistentRead": True}}
    with Stubber(client) as stub:
        first: Any = {"Responses": {"requests": [image("1")]}, "UnprocessedKeys": left}
        second: Any = {"Responses": {"requests": [image("2")]}, "UnprocessedKeys": {}}
        stub.add_response("batch_get_item", first)
        stub.add_response("batch_get_item", second)
        assert set(asyncio.run(requests.read(["1", "2"]))) == {"1", "2"}
    requests.close()


def test_a_read_that_gets_nowhere_is_throttled_not_missing(client: "DynamoDBClient") -> None:
    """Otherwise a throttled request would count as gone, and be lost."""
    requests = DynamoDBRequests(client, "requests")
    nothing: Any = {"Responses": {}, "UnprocessedKeys": {"requests": {"Keys": [{"id": {"S": "1"}}]}}}
    with Stubber(client) as stub:
        for _ in range(2):
            stub.add_response("batch_get_item", nothing)
        with pytest.raises(TransientError):
            asyncio.run(requests.read(["1"]))
    requests.close()


def test_reads_are_consistent_and_leave_the_body_out(client: "DynamoDBClient") -> None:
    """Never an eventually consistent read, never 400 KB an item."""
    requests = DynamoDBRequests(client, "requests")
    seen: list[dict[str, Any]] = []
    client.meta.events.register("provide-client-params.dynamodb.BatchGetItem", lambda params, **_: seen.append(params))
    with Stubber(client) as stub:
        answer: Any = {"Responses": {"requests": []}, "UnprocessedKeys": {}}
        stub.add_response("batch_get_item", answer)
        asyncio.run(requests.read(["1"]))
    (asked,) = [params["RequestItems"]["requests"] for params in seen]
    assert asked["ConsistentRead"] is True
    wanted = set(asked["ExpressionAttributeNames"].values())
    assert {"id", "accepted_at", "attempt", "tries", "status", "ttl", "error"} <= wanted
    assert not {"request", "headers", "result"} & wanted
    requests.close()
