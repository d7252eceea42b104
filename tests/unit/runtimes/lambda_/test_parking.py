"""The runner of one invocation, near its end."""

from dropslot.core.policy import Raised, Returned
from dropslot.core.request import Request
from dropslot.runtimes.lambda_.parking import ParkedError, ParkingRunner
from tests.unit.core.images import ACCEPTED_AT_MS, image, parsed
from tests.unit.engine.doubles import VirtualClock, asynchronous
from tests.unit.runtimes.lambda_.stand import returning


def request(attempt: int = 0) -> Request:
    """Return a request."""
    return Request.from_accepted(parsed(image()).accepted, attempt)


@asynchronous
async def test_no_handler_is_called_when_its_limit_may_not_fit() -> None:
    """Given the last moment to start, then a call is made, and a millisecond later none."""
    clock = VirtualClock()
    runner = returning()
    parking = ParkingRunner(runner, clock=clock, start_until_ms=ACCEPTED_AT_MS)
    assert await parking.call(request()) == Returned(None)
    await clock.advance(0.001)
    ending = await ParkingRunner(runner, clock=clock, start_until_ms=ACCEPTED_AT_MS).call(request())
    assert isinstance(ending, Raised)
    assert isinstance(ending.error, ParkedError)
    assert len(runner.calls) == 1


@asynchronous
async def test_one_that_was_called_is_not_parked_any_more() -> None:
    """Given a further try a moment too late, then it is made, also under the attempt of a redrive that joined."""
    clock = VirtualClock()
    runner = returning()
    parking = ParkingRunner(runner, clock=clock, start_until_ms=ACCEPTED_AT_MS)
    await parking.call(request())
    await clock.advance(1)
    assert await parking.call(request(attempt=1)) == Returned(None)
    assert [one.attempt for one in runner.calls] == [0, 1]


@asynchronous
async def test_closing_it_keeps_the_handlers_for_the_next_invocation() -> None:
    """Given the end of an invocation, then the runner inside isn't closed, and its count of lost ones shows."""
    runner = returning()
    runner.lost = 3
    parking = ParkingRunner(runner, clock=VirtualClock(), start_until_ms=0)
    parking.close()
    assert (runner.closed, parking.lost) == (False, 3)
