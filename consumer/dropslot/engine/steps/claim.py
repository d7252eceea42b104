"""A worker's hold on a request's journal: taken once, renewed while the handler runs, let go at its end."""

import asyncio
import os
from collections.abc import Callable
from functools import partial
from typing import Final

from dropslot.core import journal_writes as writes
from dropslot.core.errors import JournalFullError, TransientError
from dropslot.core.item import State
from dropslot.core.journal import DONE, Claim, Entry, JournalWrite, Key, Lease, decide_claim
from dropslot.core.policy import Done, Failed, Outcome, Waiting
from dropslot.engine.backoff import Backoff
from dropslot.engine.journal_port import Answer, Journal
from dropslot.engine.ports import Clock, Counters
from dropslot.engine.steps.interrupt import Interrupt

#: Workers' clocks differ a little: who waits for a lease to end comes that much later.
CLOCKS_DIFFER_MS: Final = 1_000
#: A lease is renewed when a third of it has passed; a call that hangs for ten seconds leaves time for another.
_RENEWALS_A_LEASE: Final = 3

HELD: Final = "another worker was at work on its steps"
OUT_OF_REACH: Final = "the journal of its steps couldn't be reached"
_REACH_AGAIN_MS: Final = 5_000
_LOOKS: Final = 5


class Hold:
    """One run's journal, held by this worker; used on the engine's loop.

    Args:
        journal: the table.
        clock: time.
        counters: where events are counted.
        backoff: pauses while the table can't be reached.
        lease_ms: how long a worker that is never heard of again keeps others out.
    """

    def __init__(self, journal: Journal, *, clock: Clock, counters: Counters, backoff: Backoff, lease_ms: int) -> None:
        self._journal = journal
        self._clock = clock
        self.counters: Final = counters
        self._backoff = backoff
        self._lease_ms = lease_ms
        self._owner = os.urandom(9).hex()
        self._until_ms = 0
        self._attempt = 0
        self._key: Key | None = None
        #: Runs before the present one, as they were met on the way to it.
        self._earlier: list[Entry] = []
        self._renewing: asyncio.Task[None] | None = None
        self._stopped = False
        #: It was taken once; what follows holds only as long as nobody else takes it.
        self.lost = False

    @property
    def key(self) -> Key:
        """Which journal it is; only while it is held."""
        assert self._key is not None  # noqa: S101 - nobody asks before the claim
        return self._key

    @property
    def held(self) -> bool:
        """It was taken, and neither let go nor lost."""
        return self._key is not None and not self.lost

    @property
    def expiring(self) -> bool:
        """Its lease may end before what is begun now is through, or it is lost: renew it first, which tells."""
        return self.lost or self._until_ms - self._clock.now_ms() < self._lease_ms // _RENEWALS_A_LEASE

    async def take(self, state: State) -> Entry:
        """Claim the journal of a request's present run, and make it if there is none.

        Raises:
            Interrupt: this worker has nothing to do here, or not now.
        """
        write = await self._first(state)
        until_ms = self._clock.now_ms() + self._lease_ms
        while True:
            answer, _ = await self._write(write, until_ms=until_ms, otherwise=_out_of_reach)
            entry = answer.entry
            if entry is None:
                write = self._begin(state, write.key.run)  # somebody has deleted it
                continue
            if answer.applied or entry.owner == self._owner:  # the answer to an earlier try was lost
                self._key, self._attempt, self._until_ms = entry.key, entry.attempt, entry.lease_until
                self._renewing = asyncio.create_task(self._renew())
                return entry
            write = self._next(entry, state)

    async def find(self, state: State) -> Entry | None:
        """Return the journal of a request's last run, whoever has it; None if there is none.

        Raises:
            Interrupt: it can't be reached.
        """
        for failures in range(_LOOKS):
            try:
                return await self._journal.newest(state.id, state.accepted_at)
            except TransientError as error:
                cause = error
            await self._clock.sleep(self._backoff.seconds(failures))
        raise _out_of_reach(cause)

    async def write(self, make: Callable[[Key, Lease], JournalWrite]) -> None:
        """Make a write that holds only as long as the claim does; it renews the lease.

        Raises:
            Interrupt: the claim is lost.
            JournalFullError: there is no room for it.
        """
        key, lease = self._held_key(), self._lease()
        answer, _ = await self._write(make(key, lease), until_ms=self._until_ms, otherwise=self._overtaken)
        if not answer.applied:
            raise self._overtaken()
        self._until_ms = lease.until_ms

    async def renew(self) -> None:
        """Renew the lease.

        Raises:
            Interrupt: the claim is lost.
        """
        await self.write(writes.renew)

    async def end(self, make: Callable[[Key, str], JournalWrite]) -> None:
        """Make the last write, which lets go of it.

        Raises:
            Interrupt: the claim was lost before.
        """
        key = self._held_key()
        self.stop_renewing()
        write = make(key, self._owner)
        answer, is_repeat = await self._write(write, until_ms=self._until_ms, otherwise=self._overtaken)
        if not (answer.applied or (is_repeat and self._has_ended(answer.entry))):
            raise self._overtaken()
        self._key = None

    async def expire_earlier(self, ttl: int) -> None:
        """Let the journals of earlier runs go when that of the present one does.

        Args:
            ttl: epoch seconds.

        Raises:
            Interrupt: the table can't be reached.
        """
        for entry in self._earlier:
            await self._write(writes.expire(entry, ttl=ttl), until_ms=self._until_ms, otherwise=self._overtaken)

    async def release(self, *, undo_tries: int | None = None) -> None:
        """Let go of it, so that nobody waits for its lease; does nothing if it was never taken, or let go before.

        Raises:
            Interrupt: the claim was lost before.
        """
        if self._key is not None:
            await self.end(partial(writes.release, undo_tries=undo_tries))

    def stop_renewing(self) -> None:
        """Leave it to its lease."""
        if self._renewing is not None:
            self._renewing.cancel()
            self._renewing = None

    def stop(self) -> None:
        """Leave it to its lease, and repeat no write that doesn't get through."""
        self._stopped = True
        self.stop_renewing()

    async def _first(self, state: State) -> JournalWrite:
        """Return the write to try first."""
        if not state.floor:
            return self._begin(state, 0)
        # It was forced, perhaps when the journals of its earlier runs had expired: none of their keys comes again.
        newest = await self.find(state)
        return self._next(newest, state) if newest is not None else self._begin(state, state.floor)

    def _begin(self, state: State, run: int) -> JournalWrite:
        key = Key(id=state.id, accepted_at=state.accepted_at, run=run)
        return writes.begin(key, self._lease(), attempt=state.attempt)

    def _next(self, entry: Entry, state: State) -> JournalWrite:
        """Return the write to try on an entry that somebody else has made."""
        now_ms = self._clock.now_ms()
        claim = decide_claim(entry, state, now_ms=now_ms)
        if claim is Claim.TAKE:
            return writes.take(entry, self._lease(), attempt=state.attempt, rerun=state.rerun)
        if claim is Claim.NEXT_RUN:
            self._earlier.append(entry)
            # A forced one's earlier runs may have expired in part: none of their keys comes again.
            return self._begin(state, max(entry.key.run + 1, state.floor))
        if claim is Claim.CLOSED:
            raise Interrupt("its run was closed before", closing(entry))
        if claim is Claim.HELD:
            after_ms = entry.lease_until - now_ms + CLOCKS_DIFFER_MS
            raise Interrupt(HELD, Waiting(HELD, after_ms, counts=False, ended=False))
        raise self._overtaken()

    def _held_key(self) -> Key:
        """Return which journal it is.

        Raises:
            Interrupt: it is lost, or was let go before.
        """
        if self.lost:
            raise self._overtaken()
        if self._key is None:
            raise Interrupt("its steps were let go of", None)
        return self._key

    def _has_ended(self, entry: Entry | None) -> bool:
        """Tell whether the last write was made before, and only its answer lost."""
        if entry is None:
            return False
        return entry.closed_by == self._owner if entry.closed else not entry.owner and entry.attempt == self._attempt

    def _overtaken(self, _: TransientError | None = None) -> Interrupt:
        self.stop_renewing()
        if not self.lost:
            self.lost = True
            self.counters.add("steps_overtaken")
        return Interrupt("a later attempt, or another worker, has its steps now", None)

    def _lease(self) -> Lease:
        return Lease(owner=self._owner, until_ms=self._clock.now_ms() + self._lease_ms)

    async def _write(
        self, write: JournalWrite, *, until_ms: int, otherwise: Callable[[TransientError], Interrupt]
    ) -> tuple[Answer, bool]:
        """Make a write, and repeat it until it is answered or its time is up.

        Args:
            write: the write.
            until_ms: epoch milliseconds.
            otherwise: what is raised then.

        Returns:
            The answer, and whether it is to a repeat.
        """
        failures = 0
        while True:
            try:
                answer = await self._journal.write(write)
            except JournalFullError:
                raise
            except TransientError as error:
                self.counters.add("journal_writes_failed")
                if self._stopped or self._clock.now_ms() >= until_ms:
                    raise otherwise(error) from None
                await self._clock.sleep(self._backoff.seconds(failures))
                failures += 1
            except Exception:
                # Nobody knows whether it was made: what this worker has in mind may not be what is there.
                self.lost = True
                self.stop_renewing()
                raise
            else:
                self.counters.add("journal_writes")
                return answer, failures > 0

    async def _renew(self) -> None:
        """Renew it as long as the handler runs; a renewal that doesn't get through is soon followed by another."""
        failures = 0
        while self.held:
            # From the last write of it, not at a beat: a step may have renewed it just now.
            due_ms = self._until_ms - self._lease_ms * (1 - 1 / _RENEWALS_A_LEASE)
            seconds = (due_ms - self._clock.now_ms()) / 1000
            if seconds > 0:
                await self._clock.sleep(seconds)
                continue
            lease = self._lease()
            try:
                answer = await self._journal.write(writes.renew(self.key, lease))
            except TransientError:
                await self._clock.sleep(self._backoff.seconds(failures))
                failures += 1
                continue
            failures = 0
            if not answer.applied:
                self._overtaken()
                return
            self._until_ms = max(self._until_ms, lease.until_ms)


def _out_of_reach(cause: TransientError) -> Interrupt:
    # The request says why: a table that is missing, or not this role's, never comes back by itself.
    text = f"{OUT_OF_REACH}: {cause}"
    return Interrupt(text, Waiting(text, _REACH_AGAIN_MS, counts=False, ended=False))


def closing(entry: Entry) -> Outcome:
    """Return the outcome that a closed run has."""
    return Done(entry.result) if entry.closed == DONE else Failed(entry.error)
