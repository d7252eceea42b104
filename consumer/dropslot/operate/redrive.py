"""Redrives requests: batches, at a rate, each write repeated until the table has decided."""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from dropslot.adapters.wire.service_error import ServiceError
from dropslot.core.errors import TransientError
from dropslot.core.item import State
from dropslot.core.transience import TRANSIENT_AWS_CODES
from dropslot.core.transitions import Insert, Write
from dropslot.engine.backoff import Backoff
from dropslot.engine.ports import Clock, Requests, Restoring, WriteResult
from dropslot.operate.errors import OutOfReachError
from dropslot.operate.trouble import denied

#: For so long no write may get through before the rest is given up.
GIVE_UP_SECONDS: Final = 30.0
_DENIED: Final = frozenset({"AccessDenied", "AccessDeniedException"})


class Fate(Enum):
    """What became of a request that was to be redriven."""

    REDRIVEN = "redriven"
    #: It isn't as it was seen: somebody else was here.
    CHANGED = "changed"
    #: It was deleted; another one may have its id.
    GONE = "gone"
    #: The table refuses the write for good.
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Redrive:
    """One request to put back to pending with the next attempt.

    Args:
        state: the request as it was seen; of one that is gone, with the highest attempt that it is known to have had.
        change: makes the transition, given the time in epoch milliseconds.
    """

    state: State
    change: Callable[[int], Write | Insert]


@dataclass(frozen=True, slots=True, kw_only=True)
class Redriver:
    """Redrives requests in batches; not thread-safe.

    Args:
        requests: the table; any number of redrivers, sweeps and consumers may work on it at once.
        restoring: the same table, where requests that are gone are to come back.
        clock: time.
        backoff: pauses while the table takes nothing.
        per_second: how many requests are redriven in a second, at most.
        fates: how many of each there are so far; also right after an error, or Ctrl-C.
    """

    requests: Requests
    restoring: Restoring | None = None
    clock: Clock
    backoff: Backoff
    per_second: float
    fates: Counter[Fate] = field(default_factory=Counter)

    @property
    def batch_size(self) -> int:
        """How many `redrive` takes at most: a second's worth, and no more than a call of the table."""
        return max(1, min(self.requests.max_batch, int(self.per_second)))

    async def redrive(self, redrives: Sequence[Redrive]) -> Mapping[str, Fate]:
        """Redrive requests as they were seen, then wait as long as the rate asks for.

        Args:
            redrives: at most `batch_size`, each of another request.

        Returns:
            What became of each, by item id.

        Raises:
            OutOfReachError: the table takes nothing; some of these may have been redriven all the same.
        """
        started_ms = self.clock.now_ms()
        fates = await _to_its_end(self._redrive({redrive.state.id: redrive for redrive in redrives}))
        seconds_left = len(redrives) / self.per_second - (self.clock.now_ms() - started_ms) / 1000
        if seconds_left > 0:
            await self.clock.sleep(seconds_left)
        return fates

    async def _redrive(self, left: dict[str, Redrive]) -> Mapping[str, Fate]:
        fates: dict[str, Fate] = {}
        failures = 0
        through_at_ms = self.clock.now_ms()
        while left:
            why, results = await self._write(list(left.values()))
            decided = {key: result for key, result in results.items() if result is not WriteResult.RETRY}
            # One of these may be refused because its own first try got through, and the answer was lost.
            refused = [left[key] for key, result in decided.items() if result is WriteResult.REFUSED]
            found = await self._look(refused, repeated=failures > 0)
            for key, result in decided.items():
                fates[key] = found.get(key, Fate.REDRIVEN if result is WriteResult.APPLIED else Fate.REFUSED)
                self.fates[fates[key]] += 1
                del left[key]
            if decided:
                through_at_ms = self.clock.now_ms()
            if not left:
                break
            if self.clock.now_ms() - through_at_ms > GIVE_UP_SECONDS * 1000:
                raise OutOfReachError(f"the table has taken no write for {GIVE_UP_SECONDS:g} s: {why}")
            await self.clock.sleep(self.backoff.seconds(failures))
            failures += 1
        return fates

    async def _write(self, redrives: Sequence[Redrive]) -> tuple[str, Mapping[str, WriteResult]]:
        now_ms = self.clock.now_ms()
        changes = [redrive.change(now_ms) for redrive in redrives]
        writes = [change for change in changes if isinstance(change, Write)]
        inserts = [change for change in changes if isinstance(change, Insert)]
        results: dict[str, WriteResult] = {}
        takes = "dynamodb:PartiQLUpdate"
        try:
            if writes:
                results |= _by_id(writes, await self.requests.write(writes))
            if inserts and self.restoring is not None:
                takes = "dynamodb:PartiQLInsert"
                results |= _by_id(inserts, await self.restoring.restore(inserts))
        except TransientError as error:
            if isinstance(error, ServiceError) and error.code in _DENIED:
                raise denied(takes, "the table of requests") from error
            if isinstance(error, ServiceError) and error.code not in TRANSIENT_AWS_CODES:
                raise OutOfReachError(f"{error}; to redrive takes {takes} on the table") from error
            return str(error), results
        return f"it throttles, or {takes} is not allowed", results

    async def _look(self, refused: Sequence[Redrive], *, repeated: bool) -> Mapping[str, Fate]:
        """Say why requests were refused, as far as can be told."""
        if not refused:
            return {}
        try:
            present = await self.requests.read([redrive.state.id for redrive in refused])
        except TransientError:
            return dict.fromkeys((redrive.state.id for redrive in refused), Fate.CHANGED)
        fates: dict[str, Fate] = {}
        for redrive in refused:
            seen, state = redrive.state, present.get(redrive.state.id)
            if state is None or state.accepted_at != seen.accepted_at:
                fates[seen.id] = Fate.GONE
            elif repeated and state.attempt == seen.attempt + 1:
                fates[seen.id] = Fate.REDRIVEN
            else:
                fates[seen.id] = Fate.CHANGED
        return fates


def _by_id(changes: Sequence[Write | Insert], results: Sequence[WriteResult]) -> Mapping[str, WriteResult]:
    return {change.id: result for change, result in zip(changes, results, strict=True)}


async def _to_its_end(writing: Coroutine[None, None, Mapping[str, Fate]]) -> Mapping[str, Fate]:
    """Await what a Ctrl-C must not cut: a write may be carried out, and nobody would have counted it."""
    task = asyncio.create_task(writing)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await task
        raise
