"""How the table is called without an SDK, and what its errors are taken for."""

from collections.abc import Sequence

import pytest

from dropslot.adapters.requests.dynamodb import DynamoDBRequests
from dropslot.adapters.wire.connections import Connections
from dropslot.adapters.wire.dynamodb import TableCalls
from dropslot.adapters.wire.signature import Credentials
from dropslot.core.errors import TransientError
from dropslot.core.policy import Done
from dropslot.core.transience import TRANSIENT_AWS_CODES
from dropslot.core.transitions import settle
from dropslot.engine.ports import WriteResult
from tests.unit.adapters.server import Server, saying
from tests.unit.core.images import state
from tests.unit.engine.doubles import asynchronous

ERROR = "com.amazonaws.dynamodb.v20120810#"


def over(connections: Connections) -> DynamoDBRequests:
    """Return the port over a server."""
    credentials = Credentials(access_key="local", secret_key="local", token="session")
    return DynamoDBRequests(TableCalls(connections, "requests", region="eu-central-1", credentials=credentials))


async def write(server: Server, count: int = 1) -> Sequence[WriteResult]:
    """Write outcomes of as many requests."""
    async with server.running() as connections:
        outcomes = [settle(state(id=str(index)), Done(None), now_ms=1, ttl_seconds=1) for index in range(count)]
        return await over(connections).write(outcomes)


@asynchronous
async def test_a_batch_that_is_refused_as_a_whole_is_written_one_by_one() -> None:
    """Given one statement that can't be read, then only that one is invalid."""
    invalid = saying(400, {"__type": f"{ERROR}ValidationException", "message": "x"})
    fine = saying(200, {"Responses": [{}]})
    assert await write(Server(invalid, fine, invalid, fine), 3) == [
        WriteResult.APPLIED,
        WriteResult.INVALID,
        WriteResult.APPLIED,
    ]


@pytest.mark.parametrize(
    ("status", "body"),
    [
        *((400, {"__type": f"{ERROR}{code}"}) for code in sorted(TRANSIENT_AWS_CODES)[:3]),
        (400, {"__type": "com.amazon.coral.service#AccessDeniedException", "Message": "x"}),
        (400, {"__type": f"{ERROR}ResourceNotFoundException"}),
        (400, {"__type": "com.amazon.coral.service#ExpiredTokenException"}),
        (413, {}),
        (500, {"__type": f"{ERROR}InternalServerError"}),
        (503, "no object"),
    ],
)
@asynchronous
async def test_everything_that_is_not_about_one_item_may_pass(status: int, body: object) -> None:
    """Given an error of the service, the table or the role, then nothing is known, and the reason names the table."""
    server = Server(saying(status, body))
    with pytest.raises(TransientError, match="requests"):
        await write(server, 2)
    async with server.running() as connections:
        with pytest.raises(TransientError, match="requests"):
            await over(connections).read(["1"])


@asynchronous
async def test_a_call_is_signed_and_names_its_operation() -> None:
    """Given temporary credentials, then the call carries signature and token, and says what it wants."""
    server = Server(saying(200, {"Responses": [{}]}))
    await write(server)
    head = server.calls[0].partition(b"\r\n\r\n")[0].decode().lower()
    assert "x-amz-target: dynamodb_20120810.batchexecutestatement" in head
    assert "authorization: aws4-hmac-sha256 credential=local/" in head
    assert "x-amz-security-token: session" in head
    assert "/eu-central-1/dynamodb/aws4_request" in head
