"""Shard, sweep and table together under duplicates, reordering, skips, outages, slow handlers and restarts."""

import asyncio
import random
from collections import Counter
from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from dropslot import Reject, Request, RetryLater
from dropslot.adapters.requests.rows import Item
from dropslot.core.errors import TransientError
from dropslot.core.policy import Ending, Policy, Raised, Returned, TimedOut
from dropslot.engine.stream_record import StreamRecord
from dropslot.engine.sweep import Sweep, SweepOptions
from tests.unit.engine.doubles import Bench, ScriptedRunner

REQUESTS = 12
POLICY = Policy(handler_tries=2, retry_schedule_seconds=(1, 5, 20))


class World:
    """A stream that repeats, reorders and skips; a table that fails now and then; a worker that is replaced."""

    def __init__(self, seed: int, *, trouble: bool, skips: bool = False) -> None:
        self.luck = random.Random(seed)
        self.trouble = trouble
        self.skips = skips
        self.bench = Bench(ScriptedRunner(self.handle), concurrency=4, policy=POLICY, fresh_ms=2_000)
        self.sweep = Sweep(
            requests=self.bench.requests,
            clock=self.bench.clock,
            counters=self.bench.counters,
            options=SweepOptions(grace_ms=60_000 if skips else 10**12),
        )
        self.delivered: list[StreamRecord] = []
        self.taken = 0
        self.first = 0
        self.bench.requests.before_answer = self.answer

    async def handle(self, request: Request) -> Ending:
        """Take some time, then end in any way; once there is no trouble, well."""
        await self.bench.clock.sleep(self.luck.choice([0, 0, 0.1, 1, 20]))
        if not self.trouble:
            return Returned(None)
        if self.luck.random() < 0.15:
            return TimedOut(20, asyncio.ensure_future(self.late()))
        endings: list[Ending] = [
            Returned(None),
            Returned({"total": 1}),
            Returned("sold out"),
            Raised(ValueError("bad")),
            Raised(Reject("no")),
            Raised(TimeoutError()),
            Raised(RetryLater("busy", after_seconds=self.luck.choice([0, 3]))),
        ]
        return self.luck.choice(endings)

    async def late(self) -> Ending:
        """End long after the limit."""
        await self.bench.clock.sleep(self.luck.choice([0, 1, 30]))
        endings: list[Ending] = [Returned({"late": 1}), Raised(ValueError())]
        return self.luck.choice(endings)

    async def answer(self) -> None:
        """Let a write's answer take its time, or be lost."""
        if self.trouble:
            await self.bench.clock.sleep(self.luck.choice([0, 0, 1, 8]))
            if self.luck.random() < 0.1:
                raise TransientError("the answer was lost")

    def arrivals(self) -> Sequence[StreamRecord]:
        """Return what the stream brings now: new records, some twice, some never, some in another order."""
        new, self.taken = self.bench.feed[self.taken :], len(self.bench.feed)
        batch = []
        for record in new:
            copies = self.luck.choice([0 if self.skips else 1, 1, 1, 1, 1, 2]) if self.trouble else 1
            batch += [self.bench.again(record) for _ in range(copies)]
        if self.trouble:
            if self.delivered and self.luck.random() < 0.2:
                batch.append(self.bench.again(self.luck.choice(self.delivered)))
            if self.luck.random() < 0.1:
                batch.append(self.bench.raw(self.luck.choice([b"", b"{}", b"\xff"])))
            self.luck.shuffle(batch)
        # What a shard delivers has rising numbers, whatever the order of the changes.
        for number, record in enumerate(batch, len(self.delivered)):
            self.delivered.append(
                StreamRecord(
                    sequence_number=str(number),
                    data=record.data,
                    arrived_epoch_seconds=self.bench.clock.now_ms() / 1000,
                )
            )
        return self.delivered[len(self.delivered) - len(batch) :]

    async def work(self, seconds: float) -> None:
        """Let one worker after the other do its work for some time, each from where the one before it got to."""
        end = self.bench.clock.now_ms() + seconds * 1000
        while self.bench.clock.now_ms() < end:
            shard = self.bench.new_shard()
            submitting = asyncio.create_task(shard.submit(self.delivered[self.first :]))
            restart_at = self.bench.clock.now_ms() + (self.luck.uniform(20, 60) * 1000 if self.trouble else 1e12)
            before = self.first - 1
            while self.bench.clock.now_ms() < min(end, restart_at):
                self.bench.requests.reachable = not (self.trouble and self.luck.random() < 0.2)
                sweeping = asyncio.create_task(self.sweep.run())
                await self.bench.clock.advance(self.luck.uniform(0.5, 3) if self.trouble else 10)
                sweeping.cancel()
                await asyncio.gather(sweeping, return_exceptions=True)
                position = int(shard.position) if shard.position is not None else before
                assert position >= before, "the position never goes back"
                before = position
                if submitting.done():
                    submitting.result()
                    submitting = asyncio.create_task(shard.submit(self.arrivals()))
            self.first = before + 1
            self.bench.requests.reachable = True
            if self.luck.random() < 0.5:
                submitting.cancel()
                await asyncio.gather(submitting, return_exceptions=True)
                shard.close()
            else:
                shard.abandon()  # it lost its lease, and what runs goes on beside the next worker's
            await self.bench.clock.advance(0)


def outcome(item: Item) -> tuple[bool, bool]:
    """Return whether an item is done, and whether it is failed."""
    return "ttl" in item, "error" in item


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.booleans())
def test_every_request_is_settled_once_whatever_happens(seed: int, skips: bool) -> None:
    """Given trouble for a while and calm after it, then each request is settled, each attempt at most once.

    Unless the stream skips records it takes no overdue sweep for that: a redrive's record is never lost on the way.
    """

    async def play() -> None:
        world = World(seed, trouble=True, skips=skips)
        for index in range(REQUESTS):
            world.bench.accept(f"caller#{index}", status=f"pending-{index:x}")
        await world.work(120)
        world.trouble = False
        await world.work(1_500 if skips else 200)
        bench = world.bench
        for index in range(REQUESTS):
            assert bench.status(f"caller#{index}") in ("done", "failed"), bench.item(f"caller#{index}")
        settled: Counter[tuple[str, str]] = Counter()
        for old, new in bench.changes:
            assert new is not None
            if old is not None:
                assert outcome(old) == (False, False), "an outcome was changed"
                if outcome(new) != (False, False):
                    settled[new["id"]["S"], new["attempt"]["N"]] += 1
        assert set(settled.values()) == {1}
        assert len(settled) == REQUESTS

    asyncio.run(play())


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32))
def test_without_trouble_each_request_runs_once(seed: int) -> None:
    """Given a well-behaved stream and slow handlers, then one run, one INSERT and one outcome per request."""

    async def play() -> None:
        world = World(seed, trouble=False)
        for index in range(REQUESTS):
            world.bench.accept(f"caller#{index}", status=f"pending-{index:x}")
        await world.work(250)
        assert world.bench.counters.totals()["handler_runs"] == REQUESTS
        assert len(world.bench.changes) == 2 * REQUESTS
        assert all(world.bench.status(f"caller#{index}") == "done" for index in range(REQUESTS))

    asyncio.run(play())
