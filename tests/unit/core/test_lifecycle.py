"""Arbitrary interleavings of consumers, sweepers, operators and deletions on one id (hypothesis state machine)."""

import asyncio
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule

from dropslot.adapters.requests.memory import MemoryRequests
from dropslot.adapters.requests.rows import Item, state_from
from dropslot.core import names
from dropslot.core.item import State, Unfinished
from dropslot.core.policy import Done, Failed, Outcome, Waiting
from dropslot.core.transitions import Write, force, redrive, restore, retry, settle
from dropslot.engine.ports import WriteResult
from tests.unit.core.images import ACCEPTED_AT_MS, image, parsed

KEY = "caller#one"
OUTCOME = st.sampled_from([Done(None), Done("[1]"), Failed("why"), Waiting("busy", 0)])


class Lifecycle(RuleBasedStateMachine):
    """Runs start from the state at some moment and write back at any later one, perhaps more than once."""

    runs: Bundle[State] = Bundle("runs")
    rows: Bundle[Unfinished] = Bundle("rows")
    writes: Bundle[Write] = Bundle("writes")
    operations: Bundle[Write] = Bundle("operations")

    def __init__(self) -> None:
        super().__init__()
        self.feed: list[tuple[Item | None, Item | None]] = []
        self.table = MemoryRequests(on_change=lambda old, new: self.feed.append((old, new)))
        self.generation = 0
        self.now_ms = ACCEPTED_AT_MS
        self.outcomes: dict[tuple[int, int], list[str]] = {}
        self.table.put(image(KEY))

    def write(self, change: Write) -> WriteResult:
        """Make a write a little later than the one before."""
        self.now_ms += 1
        return asyncio.run(self.table.write([change]))[0]

    @rule(target=runs)
    def read(self) -> Any:
        """A consumer reads the item and starts a run of what it shows."""
        state = state_from(self.table.items[KEY]) if KEY in self.table.items else None
        return state if state is not None and state.status == names.PENDING else multiple()

    @rule(target=rows)
    def look(self) -> Any:
        """A sweeper sees the index as it is now, and acts on it whenever."""
        queues = [f"{status}-a" for status in (names.PENDING, names.WAITING)]
        rows = [
            row for queue in queues for row in asyncio.run(self.table.unfinished(queue, due_before_ms=2**60, limit=5))
        ]
        return multiple(*rows)

    @rule(run=runs, outcome=OUTCOME, target=writes)
    def settle(self, run: State, outcome: Outcome) -> Write:
        """A run ends, perhaps another time (its answer was lost)."""
        change = settle(run, outcome, now_ms=self.now_ms, ttl_seconds=5)
        before = dict(self.table.items.get(KEY, {}))
        if self.write(change) is WriteResult.APPLIED:
            assert before["accepted_at"] == {"N": str(run.accepted_at)}
            if not isinstance(outcome, Done):
                assert before["attempt"] == {"N": str(run.attempt)}
            attempt = int(before["attempt"]["N"])
            if not isinstance(outcome, Waiting):
                self.outcomes.setdefault((run.accepted_at, attempt), []).append(change.transition)
        else:
            assert self.table.items.get(KEY, {}) == before
        return change

    @rule(row=rows)
    def redrive(self, row: Unfinished) -> None:
        """A sweeper acts on a row, however stale."""
        self.write(redrive(row, due_at=self.now_ms))

    @rule(target=operations)
    def look_at_settled(self) -> Any:
        """An operator sees a settled request, and decides to run it again."""
        item = self.table.items.get(KEY, {})
        state = state_from(item)
        if state is not None and state.status == names.DONE:
            return force(state, ttl=int(item["ttl"]["N"]), now_ms=self.now_ms)
        if state is not None and state.status == names.FAILED:
            return retry(state, error=item["error"]["S"], now_ms=self.now_ms)
        return multiple()

    @rule(operation=operations)
    def operate(self, operation: Write) -> None:
        """An operator acts on what was seen, however long ago, perhaps more than once."""
        before = dict(self.table.items.get(KEY, {}))
        if self.write(operation) is not WriteResult.APPLIED:
            assert self.table.items.get(KEY, {}) == before

    @rule()
    def bring_back(self) -> None:
        """Two operators restore the last request that went, by all of its change records."""
        if KEY not in self.table.items:
            removed = self.feed[-1][0]
            assert removed is not None
            last = parsed(removed, event="INSERT")
            change = restore(last.accepted, digit=last.state.digit, attempt=last.state.attempt, now_ms=self.now_ms)
            assert asyncio.run(self.table.restore([change])) == [WriteResult.APPLIED]
            assert asyncio.run(self.table.restore([change])) == [WriteResult.REFUSED]

    @rule(change=consumes(writes))
    def repeat(self, change: Write) -> None:
        """A write whose answer was lost is made again: refused, or never made before."""
        before = dict(self.table.items.get(KEY, {}))
        if self.write(change) is WriteResult.APPLIED:
            # Only possible when it was refused the first time and holds now.
            assert names.TTL not in before
            assert names.ERROR not in before
            if change.transition != names.WAITING:
                key = (int(before["accepted_at"]["N"]), int(before["attempt"]["N"]))
                self.outcomes.setdefault(key, []).append(change.transition)

    @rule()
    def delete(self) -> None:
        """TTL deletes the item."""
        if names.TTL in self.table.items.get(KEY, {}):
            self.table.delete(KEY)

    @rule()
    def accept_again(self) -> None:
        """The id is used for another request once the item is gone."""
        if KEY not in self.table.items:
            self.generation += 1
            self.table.put(image(KEY, accepted_at=ACCEPTED_AT_MS + 10_000_000 * self.generation))

    @invariant()
    def at_most_one_outcome_per_attempt(self) -> None:
        """The promise."""
        assert all(len(outcomes) == 1 for outcomes in self.outcomes.values()), self.outcomes

    @invariant()
    def the_item_is_whole(self) -> None:
        """No ghost; status, queue and outcome agree."""
        for item in self.table.items.values():
            assert {"request", "accepted_at", "attempt", "status", "due_at"} <= set(item)
            status = item["status"]["S"].removesuffix("-a")
            assert (names.TTL in item) is (status == names.DONE)
            assert (names.ERROR in item) is (status == names.FAILED)
            assert item.get("queue") == (None if status == names.DONE else item["status"])

    @invariant()
    def attempts_only_grow(self) -> None:
        """Within a generation, however often it went and came back."""
        attempts: dict[str, int] = {}
        for old, new in self.feed:
            if new is not None:
                generation, attempt = new["accepted_at"]["N"], int(new["attempt"]["N"])
                before = attempts.get(generation, attempt)
                assert attempt - before in ((0, 1) if old is not None else (1,) if generation in attempts else (0,))
                assert old is None or old["accepted_at"] == new["accepted_at"]
                attempts[generation] = attempt


TestLifecycle = Lifecycle.TestCase
TestLifecycle.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
