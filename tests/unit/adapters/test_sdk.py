"""What the way by boto3 makes of answers that no local server gives (botocore's own stub answers)."""

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.stub import Stubber

from dropslot.adapters.requests.dynamodb import DynamoDBRequests
from dropslot.adapters.wire.sdk import Boto3Calls
from dropslot.adapters.wire.service_error import ServiceError
from dropslot.core.policy import Done
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


@pytest.fixture
def requests(client: "DynamoDBClient") -> Iterator[DynamoDBRequests]:
    """The port over it."""
    requests = DynamoDBRequests(Boto3Calls(client, "requests"))
    yield requests
    requests.close()


def write(requests: DynamoDBRequests) -> list[WriteResult]:
    """Write an outcome."""
    return list(asyncio.run(requests.write([settle(state(), Done(None), now_ms=1, ttl_seconds=1)])))


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
def test_a_call_that_fails_as_a_whole_tells_its_code(
    client: "DynamoDBClient", requests: DynamoDBRequests, code: str
) -> None:
    """Given an error of the SDK, then the caller may repeat the call, and reads what it was."""
    with Stubber(client) as stub:
        stub.add_client_error("batch_execute_statement", code)
        with pytest.raises(ServiceError, match=f"BatchExecuteStatement on table requests: {code}"):
            write(requests)


def test_a_statement_that_cannot_be_read_is_invalid(client: "DynamoDBClient", requests: DynamoDBRequests) -> None:
    """Given the one validation error that is about what was sent, then it is known as that."""
    with Stubber(client) as stub:
        stub.add_client_error("batch_execute_statement", "ValidationException")
        assert write(requests) == [WriteResult.INVALID]


def test_answers_are_taken_as_they_are(client: "DynamoDBClient", requests: DynamoDBRequests) -> None:
    """Given items and results by the SDK, then they are the port's."""
    with Stubber(client) as stub:
        items: Any = {"Responses": {"requests": [image()]}, "UnprocessedKeys": {}}
        results: Any = {"Responses": [{"Error": {"Code": "ConditionalCheckFailed", "Message": "x"}}]}
        stub.add_response("batch_get_item", items)
        stub.add_response("batch_execute_statement", results)
        assert asyncio.run(requests.read(["caller#one"])) == {"caller#one": state()}
        assert write(requests) == [WriteResult.REFUSED]
