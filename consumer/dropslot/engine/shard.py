"""One shard: takes change records, has those run that ask for it, and knows how far the shard is resolved."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from dropslot.core.change import Change, Unusable, parse
from dropslot.core.decision import Decision, decide, decide_present, needs_read
from dropslot.core.errors import TransientError
from dropslot.core.item import Accepted, State
from dropslot.core.watermark import Entry, Watermark
from dropslot.engine.backoff import Backoff
from dropslot.engine.execution import Execution
from dropslot.engine.options import ShardOptions
from dropslot.engine.ports import Clock, Counters, Requests, Runner
from dropslot.engine.reachability import Reachability
from dropslot.engine.run import Run
from dropslot.engine.skipped import SkippedRecords
from dropslot.engine.stream_record import StreamRecord
from dropslot.engine.window import Window
from dropslot.engine.writer import Writer

if TYPE_CHECKING:
    from dropslot.engine.steps.stepping import Stepping


class _Candidate(msgspec.Struct, frozen=True):
    """A record that asks for a run, whose item must be looked up first.

    Args:
        change: the record.
        entry: its place in the shard.
        early: it reached the shard before this process took it, so another one may have started it, and died of it.
    """

    change: Change
    entry: Entry
    early: bool


class Shard:
    """Processes one shard's records, in asyncio; not thread-safe.

    Args:
        requests: the table.
        runners: what calls the handler, by type of request, or `ANY_TYPE` of the execution.
        clock: time.
        counters: where events are counted.
        backoff: pauses while the table can't be reached.
        options: the rest.
        up_since_ms: epoch milliseconds; a record that arrived earlier may have been delivered before. None: now.
        stepping: runs requests whose handlers take steps; None if none does.
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
        up_since_ms: float | None = None,
        stepping: "Stepping | None" = None,
    ) -> None:
        self._requests = requests
        self._runners = runners
        self._clock = clock
        self._counters = counters
        self._backoff = backoff
        self._options = options
        self._reachability = Reachability(clock)
        self._watermark = Watermark()
        self._execution = Execution(
            runners=runners,
            writer=Writer(requests, clock=clock, counters=counters, backoff=backoff, reachability=self._reachability),
            clock=clock,
            counters=counters,
            options=options,
            stepping=stepping,
        )
        self._window = Window(
            options.concurrency, execution=self._execution, watermark=self._watermark, counters=counters
        )
        self._up_since_ms = up_since_ms if up_since_ms is not None else clock.now_ms()
        # The process before had no more than a window full of requests under way, and started them in order: what
        # lies behind the first window full of pending ones can't have been started. Those that were redriven since
        # may have been waiting then, so they have a budget of their own.
        self._suspects_left = dict.fromkeys(("as delivered", "redriven"), options.concurrency)
        self._abandoned = False
        self._left_out = False
        self._taking: asyncio.Task[None] | None = None
        self._skipped = SkippedRecords()

    async def submit(self, records: Sequence[StreamRecord]) -> None:
        """Take delivered records, in order; returns when each is resolved or under way, or the shard is abandoned.

        Raises:
            Exception: whatever went wrong inside, now or earlier: this shard must be given up without a checkpoint
                beyond `position`.
        """
        if self._abandoned:
            # Not even to be opened: the position must not pass what was left out.
            self._left_out = self._left_out or bool(records)
            return
        self._taking = asyncio.create_task(self._take(records))
        try:
            await self._taking
        except asyncio.CancelledError:
            if not self._abandoned:
                raise
        finally:
            self._taking = None

    async def _take(self, records: Sequence[StreamRecord]) -> None:
        to_read: list[_Candidate] = []
        for record in records:
            entry = self._watermark.open(record.sequence_number)
            change = self._examine(record, entry)
            if change is None:
                continue
            # Records of one request keep their order: none runs unread ahead of one that is to be read.
            if self._must_read(change, record) or any(change.state.id == waits.change.state.id for waits in to_read):
                to_read.append(_Candidate(change, entry, self._is_early(record)))
                if len(to_read) >= self._options.concurrency:
                    await self._read_and_start(to_read)
                    to_read.clear()
                continue
            if to_read:  # nor does any other: by their order the next process tells what this one may have started
                await self._read_and_start(to_read)
                to_read.clear()
            await self._start(change.accepted, change.state, entry, known_at_ms=change.created_epoch_ms)
        if to_read:
            await self._read_and_start(to_read)
        self._window.raise_fault()

    @property
    def position(self) -> str | None:
        """Sequence number up to which (inclusive) all is resolved."""
        return self._watermark.position

    @property
    def unresolved(self) -> int:
        """How many delivered records are above `position`."""
        return self._watermark.unresolved

    @property
    def complete(self) -> bool:
        """Every record that was handed in is resolved."""
        return not self._left_out and not self._watermark.unresolved

    @property
    def resolved(self) -> int:
        """How many records have been resolved so far."""
        return self._watermark.resolved

    @property
    def lost_handlers(self) -> int:
        """How many calls of handlers passed their limit and never returned."""
        return sum(runner.lost for runner in self._runners.values())

    def failing_seconds(self) -> float:
        """Return for how long no call to the table has got through."""
        return self._reachability.failing_seconds()

    def abandon(self) -> None:
        """Start nothing more: another worker has the shard, or will have. What runs may still settle.

        A `submit` under way returns at once; what it hasn't started stays unresolved, for the next worker.
        """
        self._abandoned = True
        self._execution.abandon()
        # A batch that is through already has nothing left to be cut off.
        if self._taking is not None and self._taking.cancel():
            self._left_out = True

    async def drain(self) -> None:
        """Wait until nothing is under way any more.

        Raises:
            Exception: as `submit`.
        """
        await self._window.wait_until_idle()

    async def stand_down(self) -> None:
        """Note that the process ends in order although requests still run: none of them is to blame for it."""
        await self._window.stand_down()

    def close(self) -> None:
        """Cancel what is under way; it stays unresolved."""
        self._window.close()
        for runner in self._runners.values():
            runner.close()

    def _examine(self, record: StreamRecord, entry: Entry) -> Change | None:
        """Decide from the record alone; return the change if it asks for a run."""
        self._counters.add("records")
        change = parse(record.data, self._options.table)
        if isinstance(change, Unusable):
            self._window.resolve(entry, change.kind)
            self._skipped.note(change, record.sequence_number)
            return None
        decision = decide(change)
        if decision is Decision.RUN and isinstance(change, Change):
            return change
        self._window.resolve(entry, decision.value)
        return None

    def _must_read(self, change: Change, record: StreamRecord) -> bool:
        return needs_read(
            attempt=change.state.attempt,
            created_epoch_ms=change.created_epoch_ms,
            arrived_epoch_ms=record.arrived_epoch_seconds * 1000,
            now_epoch_ms=self._clock.now_ms(),
            up_since_epoch_ms=self._up_since_ms,
            fresh_ms=self._options.fresh_ms,
        )

    def _is_early(self, record: StreamRecord) -> bool:
        return record.arrived_epoch_seconds * 1000 < self._up_since_ms

    async def _read_and_start(self, candidates: list[_Candidate]) -> None:
        known_at_ms = self._clock.now_ms()
        running = {candidate.entry for candidate in candidates if self._window.runs(candidate.change.state)}
        present = await self._read([candidate.change.state.id for candidate in candidates])
        for candidate in candidates:
            change, entry = candidate.change, candidate.entry
            state = present.get(change.state.id)
            if (
                state is not None
                and entry in running
                and not (self._window.runs(state) or self._window.has_started(state))
            ):
                # Its run ended meanwhile: what was read may be from before the outcome.
                state = (await self._read([state.id])).get(state.id)
            decision = decide_present(change.state, state)
            if decision is not Decision.RUN or state is None:
                self._window.resolve(entry, decision.value)
            elif state.suspected or (candidate.early and self._may_have_started(change.state, state)):
                await self._start_suspect(change.accepted, state, entry, known_at_ms=known_at_ms)
            else:
                await self._start(change.accepted, state, entry, known_at_ms=known_at_ms)

    def _may_have_started(self, delivered: State, present: State) -> bool:
        """Tell whether the process before may have started this request, by how many came before it."""
        kind = "redriven" if present.attempt > delivered.attempt else "as delivered"
        if self._window.has_started(present) or not self._suspects_left[kind]:
            return False
        self._suspects_left[kind] -= 1
        return True

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

    async def _start_suspect(self, accepted: Accepted, state: State, entry: Entry, *, known_at_ms: float) -> None:
        """Start a request that a worker may have died of.

        At first with others: most workers die of something else. One that was there at a second death runs alone, so
        that the next death shows whose fault it is, and nobody else is blamed.
        """
        alone = state.starts > 0
        if alone:
            await self._window.wait_until_idle()
        await self._start(accepted, state, entry, known_at_ms=known_at_ms, is_suspect=True)
        if alone:
            await self._window.wait_until_idle()

    async def _start(
        self, accepted: Accepted, state: State, entry: Entry, *, known_at_ms: float, is_suspect: bool = False
    ) -> None:
        """Start a run as soon as there is room for it.

        Args:
            accepted: the request.
            state: its state, pending.
            entry: its record.
            known_at_ms: when the state was known to be true; after a long wait for room it is looked up again.
            is_suspect: count the start before it runs.
        """
        if self._window.takes_over(state, entry):
            return
        await self._window.wait_for_room()
        self._window.raise_fault()
        if self._clock.now_ms() - known_at_ms > self._options.fresh_ms:
            present = (await self._read([state.id])).get(state.id)
            decision = decide_present(state, present)
            if decision is not Decision.RUN or present is None:
                self._window.leave()
                self._window.resolve(entry, decision.value)
                return
            state = present
        # Records are started one after the other, so no other record of this request can have got ahead meanwhile.
        self._window.start(Run(accepted, state, [entry], is_suspect))
