"""What the real table says when it can't be used: never an answer about an item, always "again, later"."""

import asyncio
import socket
from collections.abc import Iterator

import pytest

from dropslot.adapters.requests.dynamodb import DynamoDBRequests, make_client
from dropslot.core.errors import TransientError
from dropslot.core.policy import Done
from dropslot.core.transitions import Write, settle
from dropslot.engine.ports import WriteResult
from tests.unit.core.images import state


def writes(count: int) -> list[Write]:
    """Return outcomes of as many requests."""
    return [settle(state(id=f"caller#{index}"), Done(None), now_ms=1, ttl_seconds=1) for index in range(count)]


@pytest.fixture
def unreachable(monkeypatch: pytest.MonkeyPatch) -> Iterator[DynamoDBRequests]:
    """A table whose port is bound and doesn't listen."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", f"http://127.0.0.1:{bound.getsockname()[1]}")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
        requests = DynamoDBRequests(make_client("us-east-1"), "requests")
        yield requests
        requests.close()


@pytest.fixture
def missing(dynamodb_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[DynamoDBRequests]:
    """A table that nobody made."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", dynamodb_endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
    requests = DynamoDBRequests(make_client("us-east-1"), "never-made")
    yield requests
    requests.close()


@pytest.mark.parametrize("name", ["unreachable", "missing"])
def test_a_table_that_cannot_be_read_may_be_later(name: str, request: pytest.FixtureRequest) -> None:
    """Given no server or no table, then reads raise what the caller repeats, and the reason names the table."""
    requests: DynamoDBRequests = request.getfixturevalue(name)

    async def read() -> None:
        with pytest.raises(TransientError, match=r"requests|never-made"):
            await requests.read(["caller#1"])
        with pytest.raises(TransientError, match=r"requests|never-made"):
            await requests.unfinished("pending-a", due_before_ms=5, limit=5)

    asyncio.run(read())


def test_writes_without_a_server_may_be_made_later(unreachable: DynamoDBRequests) -> None:
    """No result is known."""

    async def write() -> None:
        with pytest.raises(TransientError):
            await unreachable.write(writes(3))

    asyncio.run(write())


@pytest.mark.parametrize("count", [1, 3])
def test_writes_without_a_table_may_be_made_later(missing: DynamoDBRequests, count: int) -> None:
    """Per statement or as a whole, but never refused or invalid: that would lose the outcome."""

    async def write() -> None:
        try:
            results = await missing.write(writes(count))
        except TransientError:
            return
        assert list(results) == [WriteResult.RETRY] * count

    asyncio.run(write())
