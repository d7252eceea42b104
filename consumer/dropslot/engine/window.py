"""The window: the bounded set of runs under way, and the records that join one of them."""

import asyncio

from dropslot.core.decision import Decision
from dropslot.core.item import State
from dropslot.core.policy import TimedOut
from dropslot.core.seen import Seen
from dropslot.core.watermark import Entry, Watermark
from dropslot.engine.execution import Execution
from dropslot.engine.ports import Counters
from dropslot.engine.run import Run


class Window:
    """Runs requests side by side, up to a number; resolves their records when they are done with.

    Args:
        size: how many may be under way at once.
        execution: runs one request.
        watermark: follows the records.
        counters: where events are counted.
    """

    def __init__(self, size: int, *, execution: Execution, watermark: Watermark, counters: Counters) -> None:
        self._execution = execution
        self._watermark = watermark
        self._counters = counters
        self._slots = asyncio.Semaphore(size)
        self._seen = Seen()
        self._runs: dict[tuple[str, int], Run] = {}
        self._under_way: set[Run] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._idle = asyncio.Event()
        self._idle.set()
        self._fault: BaseException | None = None

    async def wait_for_room(self) -> None:
        """Wait for a slot and take it; `start` or `leave` gives it back."""
        await self._slots.acquire()

    def leave(self) -> None:
        """Give an unused slot back."""
        self._slots.release()

    def takes_over(self, state: State, entry: Entry) -> bool:
        """Tell whether a record needs no run of its own, and see to it: its attempt was started, or can join a run."""
        if self.has_started(state):
            self.resolve(entry, Decision.DUPLICATE.value)
            return True
        run = self._runs.get((state.id, state.accepted_at))
        # What ran before a forced redrive is void: nothing can join it.
        if run is None or not run.joinable or run.state.attempt < state.floor:
            return False
        # Nor what an operator has put in again since: a run with steps goes on as it was claimed.
        if run.steps is not None and run.state.attempt < state.rerun:
            return False
        # The sweep redrove a request that is still under way here: its outcome counts for the new attempt.
        self._seen.add(state.id, state.accepted_at, state.attempt)
        run.join(state, entry)
        self._counters.add("joined")
        return True

    def runs(self, state: State) -> bool:
        """Tell whether this request is under way, whatever the attempt."""
        return (state.id, state.accepted_at) in self._runs

    def has_started(self, state: State) -> bool:
        """Tell whether this attempt, or a later one, was started here."""
        return self._seen.covers(state.id, state.accepted_at, state.attempt)

    def start(self, run: Run) -> None:
        """Start a run in the slot that was taken for it."""
        state = run.state
        self._seen.add(state.id, state.accepted_at, state.attempt)
        self._runs[state.id, state.accepted_at] = run
        self._under_way.add(run)
        self._idle.clear()
        task = asyncio.create_task(self._process(run))
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def resolve(self, entry: Entry, counter: str) -> None:
        """Resolve a record that isn't run."""
        self._counters.add(counter)
        self._watermark.resolve(entry)

    async def wait_until_idle(self) -> None:
        """Wait until nothing is under way.

        Raises:
            Exception: what went wrong inside.
        """
        await self._idle.wait()
        self.raise_fault()

    async def stand_down(self) -> None:
        """Take back the starts of what is still running, as far as they are counted or about to be."""
        counted = [run for run in self._under_way if run.counted or run.counting is not None]
        await asyncio.gather(*(self._execution.take_back_start(run) for run in counted))

    def raise_fault(self) -> None:
        """Raise what went wrong inside, if anything did."""
        if self._fault is not None:
            raise self._fault

    def close(self) -> None:
        """Cancel what is under way; it stays unresolved."""
        for task in self._tasks:
            task.cancel()

    async def _process(self, run: Run) -> None:
        ending = await self._execution.execute(run)
        key = (run.state.id, run.state.accepted_at)
        if self._runs.get(key) is run:
            del self._runs[key]
        for entry in run.entries:
            self._watermark.resolve(entry)
        self._under_way.discard(run)
        self._slots.release()
        if not self._under_way:
            self._idle.set()
        if isinstance(ending, TimedOut) and ending.late is not None:
            await self._execution.settle_late(run, ending.late)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._fault = self._fault or error
            # Whoever waits for room or for the end must wake to see the fault.
            self._slots.release()
            self._idle.set()
