"""One shard: takes change records, runs what must run, settles it, and knows how far the shard is resolved."""

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from logging import getLogger
from typing import Final

from dropslot.core.change import Change, Unusable, parse
from dropslot.core.decision import Decision, decide, decide_present, needs_read
from dropslot.core.errors import Reject, RetryLater, TransientError
from dropslot.core.item import Accepted, State
from dropslot.core.policy import Done, Ending, Failed, Outcome, Policy, Raised, Returned, TimedOut, Waiting
from dropslot.core.request import Request
from dropslot.core.seen import Seen
from dropslot.core.transitions import settle
from dropslot.core.watermark import Entry, Watermark
from dropslot.engine.backoff import Backoff
from dropslot.engine.ports import Clock, Counters, Requests, Runner, WriteResult
from dropslot.engine.reachability import Reachability
from dropslot.engine.stream_record import StreamRecord
from dropslot.engine.writer import Writer

_log: Final = getLogger(__name__)

#: Key of the runner for types without one of their own.
ANY_TYPE: Final = "*"

#: What an item that can take no other outcome any more is failed with.
LAST_RESORT_ERROR: Final = "settled, but the item has no room for its outcome"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardOptions:
    """What a shard needs to know.

    Args:
        table: name of the table whose changes are ours.
        concurrency: how many requests may be under way at once, from start to written outcome.
        fresh_ms: a record younger than this, arrived since the start, runs without a read.
        ttl_seconds: how long a done request is kept.
        policy: how endings are judged.
    """

    table: str
    concurrency: int = 64
    fresh_ms: float = 5_000
    ttl_seconds: int = 86_400
    policy: Policy = Policy()  # noqa: RUF009 - frozen


@dataclass(slots=True, eq=False)
class _Run:
    """A request under way; a redrive that arrives meanwhile joins it."""

    accepted: Accepted
    state: State
    entries: list[Entry]


class Shard:
    """Processes one shard's records, in asyncio; not thread-safe.

    Args:
        requests: the table.
        runners: what calls the handler, by type of request, or `ANY_TYPE`.
        clock: time.
        counters: where events are counted.
        backoff: pauses while the table can't be reached.
        options: the rest.
    """

    def __init__(
        self,
        *,
        requests: Requests,
        runners: Mapping[str, Runner],
        clock: Clock,
        counters: Counters,
        backoff: Backoff,
        options: ShardOptions,
    ) -> None:
        self._requests = requests
        self._runners = runners
        self._clock = clock
        self._counters = counters
        self._backoff = backoff
        self._options = options
        self._reachability = Reachability(clock)
        self._writer = Writer(
            requests, clock=clock, counters=counters, backoff=backoff, reachability=self._reachability
        )
        self._watermark = Watermark()
        self._seen = Seen()
        self._slots = asyncio.Semaphore(options.concurrency)
        self._under_way = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._joinable: dict[tuple[str, int], _Run] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._up_since_ms = clock.now_ms()
        self._abandoned = False
        self._fault: BaseException | None = None

    async def submit(self, records: Sequence[StreamRecord]) -> None:
        """Take delivered records, in order; returns when each is resolved or under way.

        Raises:
            Exception: whatever went wrong inside, now or earlier: this shard must be given up without a checkpoint
                beyond `position`.
        """
        waiting_for_read: list[tuple[Change, Entry]] = []
        for record in records:
            entry = self._watermark.open(record.sequence_number)
            change = self._examine(record, entry)
            if change is None:
                continue
            if self._must_read(change, record):
                waiting_for_read.append((change, entry))
                if len(waiting_for_read) >= self._options.concurrency:
                    await self._read_and_start(waiting_for_read)
                    waiting_for_read = []
            else:
                await self._start(change.accepted, change.state, entry, known_at_ms=change.created_epoch_ms)
        if waiting_for_read:
            await self._read_and_start(waiting_for_read)
        self._raise_fault()

    @property
    def position(self) -> str | None:
        """Sequence number up to which (inclusive) all is resolved."""
        return self._watermark.position

    @property
    def unresolved(self) -> int:
        """How many delivered records are above `position`."""
        return self._watermark.unresolved

    @property
    def lost_handlers(self) -> int:
        """How many calls of handlers passed their limit and never returned."""
        return sum(runner.lost for runner in self._runners.values())

    def failing_seconds(self) -> float:
        """Return for how long no call to the table has got through."""
        return self._reachability.failing_seconds()

    def abandon(self) -> None:
        """Start nothing more: another worker has the shard. What runs may still settle, its conditions see to that."""
        self._abandoned = True

    async def drain(self) -> None:
        """Wait until everything under way is resolved."""
        await self._idle.wait()
        self._raise_fault()

    def close(self) -> None:
        """Cancel what is under way; it stays unresolved."""
        for task in self._tasks:
            task.cancel()
        for runner in self._runners.values():
            runner.close()

    def _examine(self, record: StreamRecord, entry: Entry) -> Change | None:
        """Decide from the record alone; return the change if it asks for a run."""
        self._counters.add("records")
        change = parse(record.data, self._options.table)
        if isinstance(change, Unusable):
            self._resolve(entry, change.kind)
            _log.warning(
                "record_skipped",
                extra={"kind": change.kind, "why": change.why, "sequence_number": record.sequence_number},
            )
            return None
        decision = decide(change)
        if decision is Decision.RUN and isinstance(change, Change):
            return change
        self._resolve(entry, decision.value)
        return None

    def _must_read(self, change: Change, record: StreamRecord) -> bool:
        return needs_read(
            created_epoch_ms=change.created_epoch_ms,
            arrived_epoch_ms=record.arrived_epoch_seconds * 1000,
            now_epoch_ms=self._clock.now_ms(),
            up_since_epoch_ms=self._up_since_ms,
            fresh_ms=self._options.fresh_ms,
        )

    async def _read_and_start(self, changes: list[tuple[Change, Entry]]) -> None:
        known_at_ms = self._clock.now_ms()
        present = await self._read([change.state.id for change, _ in changes])
        for change, entry in changes:
            state = present.get(change.state.id)
            decision = decide_present(change.state, state)
            if decision is Decision.RUN and state is not None:
                await self._start(change.accepted, state, entry, known_at_ms=known_at_ms)
            else:
                self._resolve(entry, decision.value)

    async def _read(self, ids: list[str]) -> Mapping[str, State]:
        failures = 0
        while True:
            try:
                present = await self._requests.read(ids)
            except TransientError as error:
                self._reachability.failed(str(error))
                await self._clock.sleep(self._backoff.seconds(failures))
                failures += 1
            else:
                self._reachability.reached()
                self._counters.add("reads", len(ids))
                return present

    async def _start(self, accepted: Accepted, state: State, entry: Entry, *, known_at_ms: float) -> None:
        """Start a run as soon as there is room for it.

        Args:
            accepted: the request.
            state: its state, pending.
            entry: its record.
            known_at_ms: when the state was known to be true; after a long wait for room it is looked up again.
        """
        if self._joins(state, entry):
            return
        await self._slots.acquire()
        if self._abandoned or self._fault is not None:
            self._slots.release()
            return
        if self._clock.now_ms() - known_at_ms > self._options.fresh_ms:
            present = (await self._read([state.id])).get(state.id)
            decision = decide_present(state, present)
            if decision is not Decision.RUN or present is None:
                self._slots.release()
                self._resolve(entry, decision.value)
                return
            state = present
        # Records are started one after the other, so no other record of this request can have got ahead meanwhile.
        self._seen.add(state.id, state.accepted_at, state.attempt)
        run = _Run(accepted, state, [entry])
        self._joinable[state.id, state.accepted_at] = run
        self._under_way += 1
        self._idle.clear()
        task = asyncio.create_task(self._process(run))
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _joins(self, state: State, entry: Entry) -> bool:
        """Tell whether a record needs no run of its own, and see to it."""
        if self._seen.covers(state.id, state.accepted_at, state.attempt):
            self._resolve(entry, Decision.DUPLICATE.value)
            return True
        run = self._joinable.get((state.id, state.accepted_at))
        if run is None:
            return False
        # The sweep redrove a request that is still under way here: its outcome counts for the new attempt.
        self._seen.add(state.id, state.accepted_at, state.attempt)
        run.state = state
        run.entries.append(entry)
        self._counters.add("joined")
        return True

    def _close_to_joins(self, run: _Run) -> None:
        key = (run.state.id, run.state.accepted_at)
        if self._joinable.get(key) is run:
            del self._joinable[key]

    async def _process(self, run: _Run) -> None:
        ending = await self._call(run)
        await self._settle(run, self._judge(run.state, ending))
        self._close_to_joins(run)
        for entry in run.entries:
            self._watermark.resolve(entry)
        self._slots.release()
        self._under_way -= 1
        if not self._under_way:
            self._idle.set()
        if isinstance(ending, TimedOut) and ending.late is not None:
            await self._settle_late(run.state, ending.late)

    async def _call(self, run: _Run) -> Ending:
        policy = self._options.policy
        runner = self._runners.get(run.accepted.type) or self._runners.get(ANY_TYPE)
        if runner is None:
            # A deployment may be under way, so it waits for its handler instead of failing.
            return Raised(RetryLater(f"no handler is configured for type {run.accepted.type!r}"))
        tries = 0
        while True:
            try:
                request = Request.from_accepted(run.accepted, run.state.attempt)
            except Reject as reject:
                return Raised(reject)
            self._counters.add("handler_runs")
            ending = await runner.call(request)
            tries += 1
            pause = policy.pause_before_next_try(ending, tries)
            if pause is None or self._abandoned:
                return ending
            await self._clock.sleep(pause)

    def _judge(self, state: State, ending: Ending) -> Outcome:
        outcome = self._options.policy.judge(state, ending)
        if not isinstance(outcome, Done):
            # The error's text may quote the payload: it goes to the item, its type to the log.
            kind = type(ending.error).__name__ if isinstance(ending, Raised) else type(ending).__name__
            event = "request_failed" if isinstance(outcome, Failed) else "request_waiting"
            _log.warning(event, extra=_about(state) | {"reason": kind})
        return outcome

    async def _settle(self, run: _Run, outcome: Outcome) -> None:
        """Write an outcome; if the item has no room for it, write less."""
        if not isinstance(outcome, Done):
            # A redrive that comes while such a write is under way needs a run of its own: either the write is refused,
            # or it was made before the redrive. A success settles the later attempt as well.
            self._close_to_joins(run)
        left: Outcome | None = outcome
        while left is not None:
            result = await self._write(run.state, left)
            if result in (WriteResult.APPLIED, WriteResult.REFUSED):
                return
            _log.warning("outcome_no_room", extra=_about(run.state) | {"why": result.value})
            left = _smaller(left)
        self._counters.add("unwritable")
        _log.error("outcome_unwritable", extra=_about(run.state))

    async def _write(self, state: State, outcome: Outcome) -> WriteResult:
        write = settle(state, outcome, now_ms=self._clock.now_ms(), ttl_seconds=self._options.ttl_seconds)
        result = await self._writer.write(write)
        if result is WriteResult.APPLIED:
            self._counters.add(write.transition)
        elif result is WriteResult.REFUSED:
            self._counters.add("superseded")
        return result

    async def _settle_late(self, state: State, late: Awaitable[Ending]) -> None:
        """Take the success of a handler that passed its limit, unless the request was settled meanwhile."""
        ending = await late
        if isinstance(ending, Returned):
            outcome = self._options.policy.judge(state, ending)
            if isinstance(outcome, Done):
                self._counters.add("late")
                await self._write(state, outcome)

    def _resolve(self, entry: Entry, counter: str) -> None:
        self._counters.add(counter)
        self._watermark.resolve(entry)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._fault = self._fault or error
            # Whoever waits for room or for the end must wake to see the fault.
            self._slots.release()
            self._idle.set()

    def _raise_fault(self) -> None:
        if self._fault is not None:
            raise self._fault


def _about(state: State) -> dict[str, object]:
    return {"request_id": state.id, "attempt": state.attempt}


def _smaller(outcome: Outcome) -> Outcome | None:
    """Return the next smaller form of an outcome, None after the smallest."""
    if isinstance(outcome, Done):
        return Done(None) if outcome.result is not None else None
    if isinstance(outcome, Failed):
        return Failed(LAST_RESORT_ERROR) if outcome.error != LAST_RESORT_ERROR else None
    return Waiting("", outcome.after_ms) if isinstance(outcome, Waiting) and outcome.last_error else None
