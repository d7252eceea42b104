"""How requests stand, as their clients may see it: the twin and the real table alike."""

from collections.abc import Callable, Iterator

import pytest

from dropslot.adapters.requests.memory import MemoryRequests
from dropslot.adapters.requests.memory_standings import MemoryStandings
from dropslot.adapters.requests.standings import DirectStandings
from dropslot.adapters.wire.connections import Connections
from dropslot.adapters.wire.signature import Credentials
from dropslot.core.errors import TransientError
from dropslot.core.feedback import Standing
from dropslot.core.turn import Turn
from dropslot.engine.feedback_ports import Standings
from tests.contract.calls import OneCallAConnection
from tests.contract.conftest import REGION
from tests.contract.requests.conftest import RealTable
from tests.unit.core.images import ACCEPTED_AT_MS, Image, image
from tests.unit.engine.doubles import asynchronous

Side = tuple[Standings, Callable[[Image], None]]


def direct(endpoint: str, name: str) -> DirectStandings:
    """Return the real side."""
    credentials = Credentials(access_key="local", secret_key="local")
    return DirectStandings(OneCallAConnection(Connections(endpoint), name, region=REGION, credentials=credentials))


@pytest.fixture(params=["memory", "direct"])
def side(request: pytest.FixtureRequest) -> Iterator[Side]:
    """Each side, empty, and what places items."""
    if request.param == "memory":
        twin = MemoryRequests()
        yield MemoryStandings(twin), twin.put
        return
    real: RealTable = request.getfixturevalue("shared_table")
    yield direct(real.endpoint, real.name), real.put
    real.empty()


@asynchronous
async def test_each_shows_its_status_with_error_and_result(side: Side) -> None:
    """Given requests in each status, then turn, error and result come along, and what isn't there is left out."""
    standings, put = side
    put(image("c#orders#a"))
    put(image("c#orders#b", status="waiting-0", last_error="later", accepted_at=7, attempt=3))
    put(image("c#orders#c", status="failed-f", error="no"))
    put(image("c#orders#d", status="done-1", ttl=5, result='{"ticket":1}'))
    first = Turn(accepted_at=ACCEPTED_AT_MS, attempt=0)
    assert await standings.read([f"c#orders#{one}" for one in "abcdea"]) == {
        "c#orders#a": Standing(id="c#orders#a", turn=first, status="pending"),
        "c#orders#b": Standing(id="c#orders#b", turn=Turn(accepted_at=7, attempt=3), status="waiting"),
        "c#orders#c": Standing(id="c#orders#c", turn=first, status="failed", error="no"),
        "c#orders#d": Standing(id="c#orders#d", turn=first, status="done", result='{"ticket":1}'),
    }


@asynchronous
async def test_what_is_no_request_is_passed_over(side: Side) -> None:
    """Given items of somebody else, then they don't stand anywhere."""
    standings, put = side
    put({"id": {"S": "ghost"}, "ttl": {"N": "5"}})
    put({**image("c#orders#a"), "status": {"S": "open"}})
    put({**image("c#orders#b"), "error": {"N": "5"}})
    assert await standings.read(["ghost", "c#orders#a", "c#orders#b", "", "x" * 2_049]) == {}


@asynchronous
async def test_a_hundred_full_ones_are_read(side: Side) -> None:
    """Given bodies that together pass what one call returns, then all are read."""
    standings, put = side
    ids = [f"c#orders#{number}" for number in range(60)]
    for one in ids:
        put(image(one, request="x" * 300_000))
    assert set(await standings.read(ids)) == set(ids)


@asynchronous
async def test_a_missing_table_says_nothing_of_its_requests(dynamodb_endpoint: str) -> None:
    """Given no table, then nothing is known."""
    with pytest.raises(TransientError, match="never-made"):
        await direct(dynamodb_endpoint, "never-made").read(["c#orders#a"])
