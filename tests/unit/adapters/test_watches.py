"""What the table of connections is asked, and answers that no local server gives."""

import json
from typing import Any

import pytest

from dropslot.adapters.watches.dynamodb import DynamoDBWatches
from dropslot.adapters.wire.connections import Connections
from dropslot.adapters.wire.dynamodb import TableCalls
from dropslot.adapters.wire.signature import Credentials
from dropslot.core.errors import TransientError
from dropslot.core.turn import Turn
from tests.unit.adapters.server import Server, saying
from tests.unit.engine.doubles import asynchronous

TURN = Turn(accepted_at=7, attempt=2)


def over(connections: Connections) -> DynamoDBWatches:
    """Return the port over a server."""
    credentials = Credentials(access_key="local", secret_key="local")
    return DynamoDBWatches(TableCalls(connections, "connections", region="eu-central-1", credentials=credentials))


def asked(server: Server) -> list[dict[str, Any]]:
    """Return what the server was asked, in order."""
    return [json.loads(call.partition(b"\r\n\r\n")[2]) for call in server.calls]


def left(*ids: str) -> dict[str, Any]:
    """Return the answer of a batch that wasn't written as a whole."""
    writes = [{"PutRequest": {"Item": {"id": {"S": one}, "connection": {"S": "one"}}}} for one in ids]
    return {"UnprocessedItems": {"connections": writes}}


@asynchronous
async def test_watchers_are_looked_up_consistently() -> None:
    """Given a look-up of two pages, then both are strongly consistent: a watch that was just noted counts."""
    key = {"id": {"S": "c#orders#a"}, "connection": {"S": "one"}}
    row = {"accepted_at": {"N": "7"}, "attempt": {"N": "2"}}
    pages = [
        {"Items": [{**row, "connection": {"S": "one"}}], "LastEvaluatedKey": key},
        {"Items": [{**row, "connection": {"S": "two"}}]},
    ]
    server = Server(*(saying(200, page) for page in pages))
    async with server.running() as connections:
        assert await over(connections).watchers("c#orders#a") == {"one": TURN, "two": TURN}
    assert [query["ConsistentRead"] for query in asked(server)] == [True, True]
    assert [query.get("ExclusiveStartKey") for query in asked(server)] == [None, key]


@asynchronous
async def test_what_a_throttled_batch_left_is_written_again() -> None:
    """Given batches of which a part is refused, then that part is written again, until all is."""
    server = Server(saying(200, left("b", "c")), saying(200, left("c")), saying(200, {"UnprocessedItems": {}}))
    async with server.running() as connections:
        await over(connections).register("one", dict.fromkeys("abc", TURN))
    written = [
        [row["PutRequest"]["Item"]["id"]["S"] for row in call["RequestItems"]["connections"]] for call in asked(server)
    ]
    assert written == [["a", "b", "c"], ["b", "c"], ["c"]]


@asynchronous
async def test_a_batch_of_which_nothing_is_written_is_given_up() -> None:
    """Given a table that takes no part of a batch, then its caller learns that it is throttled."""
    async with Server(saying(200, left("a", "b"))).running() as connections:
        with pytest.raises(TransientError, match="table connections: throttled"):
            await over(connections).register("one", dict.fromkeys("ab", TURN))


@pytest.mark.parametrize("code", ["ProvisionedThroughputExceededException", "AccessDeniedException"])
@asynchronous
async def test_an_error_of_the_table_is_no_refusal(code: str) -> None:
    """Given an error that isn't the condition's, then nobody is taken for disconnected."""
    async with Server(saying(400, {"__type": f"com.amazonaws.dynamodb.v20120810#{code}"})).running() as connections:
        with pytest.raises(TransientError, match=code):
            await over(connections).claim("one", 1, limit=10)
