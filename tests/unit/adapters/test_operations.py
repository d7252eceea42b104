"""What the operations of DynamoDB make of answers that no local server gives, whoever sends them."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from dropslot.adapters.requests.operations import Operations, write_result
from dropslot.adapters.wire.service_error import ServiceError
from dropslot.core.errors import TransientError
from dropslot.core.policy import Done
from dropslot.core.transience import TRANSIENT_AWS_CODES
from dropslot.core.transitions import settle
from dropslot.engine.ports import WriteResult
from tests.unit.core.images import image, state
from tests.unit.engine.doubles import asynchronous

Answer = Mapping[str, Any] | Exception


class Scripted(Operations):
    """Answers each call as the next entry of a script says."""

    def __init__(self, *script: Answer) -> None:
        super().__init__("requests")
        self._script = list(script)
        self.calls: list[tuple[str, Mapping[str, Any]]] = []

    async def _call(self, operation: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        self.calls.append((operation, dict(arguments)))
        answer = self._script.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def write_outcomes(self, count: int) -> Sequence[WriteResult]:
        """Write outcomes of as many requests."""
        return await self.write(
            [settle(state(id=str(index)), Done(None), now_ms=1, ttl_seconds=1) for index in range(count)]
        )


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
    table = Scripted({"Responses": [{}, refused, {}]})
    assert await table.write_outcomes(3) == [WriteResult.APPLIED, WriteResult.REFUSED, WriteResult.APPLIED]


@asynchronous
async def test_one_statement_that_spoils_the_call_is_found() -> None:
    """Given a call rejected as invalid, then each write is made alone, and only the bad one is invalid."""
    invalid = refusal("ValidationException")
    good: Answer = {"Responses": [{}]}
    table = Scripted(invalid, good, invalid, good)
    assert await table.write_outcomes(3) == [WriteResult.APPLIED, WriteResult.INVALID, WriteResult.APPLIED]


@pytest.mark.parametrize("code", ["ThrottlingException", "AccessDeniedException", "ResourceNotFoundException"])
@asynchronous
async def test_any_other_error_of_a_call_leaves_all_of_it_open(code: str) -> None:
    """Given an error about the table, the role or the service, then no write is invalid, and none is made alone."""
    table = Scripted(refusal(code))
    with pytest.raises(TransientError, match=rf"table requests: {code}"):
        await table.write_outcomes(3)


@asynchronous
async def test_keys_left_over_by_a_read_are_read_again() -> None:
    """A read that returns half of its items isn't an answer about the other half."""
    left = {"requests": {"Keys": [{"id": {"S": "2"}}], "ConsistentRead": True}}
    table = Scripted(
        {"Responses": {"requests": [image("1")]}, "UnprocessedKeys": left},
        {"Responses": {"requests": [image("2")]}, "UnprocessedKeys": {}},
    )
    assert set(await table.read(["1", "2"])) == {"1", "2"}
    assert table.calls[1] == ("BatchGetItem", {"RequestItems": left})


@asynchronous
async def test_a_read_that_gets_nowhere_is_throttled_not_missing() -> None:
    """Otherwise a throttled request would count as gone, and be lost."""
    table = Scripted({"Responses": {}, "UnprocessedKeys": {"requests": {"Keys": [{"id": {"S": "1"}}]}}})
    with pytest.raises(TransientError, match="throttled"):
        await table.read(["1"])


@asynchronous
async def test_reads_are_consistent_and_leave_the_body_out() -> None:
    """Never an eventually consistent read, never 400 KB an item."""
    table = Scripted({"Responses": {"requests": []}, "UnprocessedKeys": {}})
    await table.read(["1"])
    ((_, arguments),) = table.calls
    asked = arguments["RequestItems"]["requests"]
    assert asked["ConsistentRead"] is True
    wanted = set(asked["ExpressionAttributeNames"].values())
    assert {"id", "accepted_at", "attempt", "tries", "status", "ttl", "error"} <= wanted
    assert not {"request", "headers", "result"} & wanted
