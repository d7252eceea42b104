"""The outside things the engine works with; each has a real adapter and an in-memory twin under one contract suite."""

from collections.abc import Awaitable, Mapping, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Protocol

from dropslot.core.item import State, Unfinished
from dropslot.core.policy import Ending
from dropslot.core.request import Request
from dropslot.core.transitions import Insert, Write

if TYPE_CHECKING:
    from dropslot.engine.steps.visit import Undo, Visit


class WriteResult(Enum):
    """What became of one write; only `RETRY` leaves it open."""

    APPLIED = "applied"
    #: A condition didn't hold: somebody else moved the request, or it is gone.
    REFUSED = "refused"
    #: The item would pass the table's size limit; a smaller write may fit.
    TOO_LARGE = "too_large"
    #: The table rejects this very write, and always will.
    INVALID = "invalid"
    #: Throttled or a passing fault: the same write can be made again.
    RETRY = "retry"


class Requests(Protocol):
    """The table of requests."""

    async def read(self, ids: Sequence[str]) -> Mapping[str, State]:
        """Read the state of requests, strongly consistent.

        Args:
            ids: any number; repeated ones are read once.

        Returns:
            The state by id; without those that aren't there or are no requests.

        Raises:
            TransientError: nothing is known; the call can be repeated.
        """
        ...

    async def write(self, writes: Sequence[Write]) -> Sequence[WriteResult]:
        """Make conditional writes, each on its own: one refused write stops no other.

        Args:
            writes: at most `max_batch`, each for another id.

        Returns:
            A result per write, in their order. A write whose result was lost on the way may have been applied:
            repeating it is then answered `REFUSED`.

        Raises:
            TransientError: no result is known; the call can be repeated.
        """
        ...

    async def unfinished(
        self, queue: str, *, due_before_ms: int, limit: int, after: Unfinished | None = None
    ) -> Sequence[Unfinished]:
        """Return rows of the index with this queue and a `due_at` not after the given time, oldest first.

        Args:
            queue: a stored status.
            due_before_ms: epoch milliseconds.
            limit: at most so many rows, and at least one while there are any.
            after: the last row of the page before; it needn't be there any more.

        Eventually consistent: a row may be gone or changed by now, and a new one may be missing.

        Raises:
            TransientError: nothing is known; the call can be repeated.
        """
        ...

    @property
    def max_batch(self) -> int:
        """How many writes one call takes."""
        ...


class Restoring(Protocol):
    """Makes items of the table of requests; apart from `Requests`, so that nothing that settles can make one."""

    async def restore(self, inserts: Sequence[Insert]) -> Sequence[WriteResult]:
        """Make items, each if there is none with its key: `REFUSED` if there is, of whatever generation.

        Args:
            inserts: at most `max_batch`, each for another id.

        Returns:
            As of `Requests.write`.

        Raises:
            TransientError: no result is known; the call can be repeated.
        """
        ...

    @property
    def max_batch(self) -> int:
        """How many inserts one call takes."""
        ...


class PauseSign(Protocol):
    """Tells what operators have told all consumers of the table."""

    async def paused(self) -> bool:
        """Ask whether nothing is to be run for now; strongly consistent.

        Raises:
            TransientError: nothing is known; the call can be repeated.
        """
        ...


class UnfinishedCount(Protocol):
    """Counts in the index of unfinished requests."""

    async def count_unfinished(self, queue: str, *, due_before_ms: int | None = None, limit: int) -> int:
        """Count rows of the index, eventually consistent; what it counts it reads, and that is paid for.

        Args:
            queue: a stored status.
            due_before_ms: epoch milliseconds; only rows with a `due_at` not after it. None: all.
            limit: where counting stops.

        Raises:
            TransientError: nothing is known; the call can be repeated.
        """
        ...


class SteppedRunner(Protocol):
    """Calls a handler that takes steps, and their undos."""

    async def call_with(self, request: Request, visit: "Visit") -> Ending:
        """Call the handler once, with its steps; see `Runner.call`."""
        ...

    async def undo(self, request: Request, visit: "Visit", undos: "list[Undo]") -> Ending:
        """Have finished steps undone, where and as the handler is called."""
        ...


class Runner(Protocol):
    """Calls a handler."""

    async def call(self, request: Request) -> Ending:
        """Call the handler once and wait until it ends or its time is up; never raises for what a handler does."""
        ...

    @property
    def stepped(self) -> SteppedRunner | None:
        """How the handler is called if it takes steps; None if it doesn't."""
        ...

    @property
    def lost(self) -> int:
        """How many calls passed their limit and still haven't returned."""
        ...

    def close(self) -> None:
        """Stop taking calls; what still runs is left behind."""
        ...


class Clock(Protocol):
    """Time, so that tests and simulations can own it."""

    def now_ms(self) -> int:
        """Return epoch milliseconds."""
        ...

    def sleep(self, seconds: float) -> Awaitable[None]:
        """Wait."""
        ...


class Counters(Protocol):
    """Counts events by name."""

    def add(self, name: str, amount: int = 1) -> None:
        """Count."""
        ...
