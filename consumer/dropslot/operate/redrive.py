"""Redrives failed requests: batches, at a rate, each write repeated until the table has decided."""

import asyncio
from collections import Counter
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from dropslot.adapters.wire.service_error import ServiceError
from dropslot.core.errors import TransientError
from dropslot.core.transience import TRANSIENT_AWS_CODES
from dropslot.core.transitions import retry
from dropslot.engine.backoff import Backoff
from dropslot.engine.ports import Clock, Requests, WriteResult
from dropslot.operate.errors import OutOfReachError
from dropslot.operate.row import Row

#: For so long no write may get through before the rest is given up.
GIVE_UP_SECONDS: Final = 30.0


class Fate(Enum):
    """What became of a request that was to be redriven."""

    REDRIVEN = "redriven"
    #: It isn't failed any more, or failed anew: somebody else was here.
    CHANGED = "changed"
    #: It was deleted; another one may have its id.
    GONE = "gone"
    #: The table refuses the write for good.
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Redriver:
    """Redrives rows in batches; not thread-safe.

    Args:
        requests: the table; any number of redrivers, sweeps and consumers may work on it at once.
        clock: time.
        backoff: pauses while the table takes nothing.
        per_second: how many requests are redriven in a second, at most.
        fates: how many of each there are so far; also right after an error, or Ctrl-C.
    """

    requests: Requests
    clock: Clock
    backoff: Backoff
    per_second: float
    fates: Counter[Fate] = field(default_factory=Counter)

    @property
    def batch_size(self) -> int:
        """How many rows `redrive` takes at most: a second's worth, and no more than a call of the table."""
        return max(1, min(self.requests.max_batch, int(self.per_second)))

    async def redrive(self, rows: Sequence[Row]) -> Mapping[str, Fate]:
        """Redrive failed requests as they were seen, then wait as long as the rate asks for.

        Args:
            rows: at most `batch_size`, each another request.

        Returns:
            What became of each, by item id.

        Raises:
            OutOfReachError: the table takes nothing; some of these may have been redriven all the same.
        """
        started_ms = self.clock.now_ms()
        fates = await _to_its_end(self._redrive({row.state.id: row for row in rows}))
        seconds_left = len(rows) / self.per_second - (self.clock.now_ms() - started_ms) / 1000
        if seconds_left > 0:
            await self.clock.sleep(seconds_left)
        return fates

    async def _redrive(self, left: dict[str, Row]) -> Mapping[str, Fate]:
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

    async def _write(self, rows: Sequence[Row]) -> tuple[str, Mapping[str, WriteResult]]:
        now_ms = self.clock.now_ms()
        try:
            results = await self.requests.write([retry(row.state, error=row.error, now_ms=now_ms) for row in rows])
        except TransientError as error:
            if isinstance(error, ServiceError) and error.code not in TRANSIENT_AWS_CODES:
                raise OutOfReachError(f"{error}; to redrive takes dynamodb:PartiQLUpdate on the table") from error
            return str(error), {}
        return "it throttles, or dynamodb:PartiQLUpdate is not allowed", {
            row.state.id: result for row, result in zip(rows, results, strict=True)
        }

    async def _look(self, refused: Sequence[Row], *, repeated: bool) -> Mapping[str, Fate]:
        """Say why requests were refused, as far as can be told."""
        if not refused:
            return {}
        try:
            present = await self.requests.read([row.state.id for row in refused])
        except TransientError:
            return dict.fromkeys((row.state.id for row in refused), Fate.CHANGED)
        fates: dict[str, Fate] = {}
        for row in refused:
            state = present.get(row.state.id)
            if state is None or state.accepted_at != row.state.accepted_at:
                fates[row.state.id] = Fate.GONE
            elif repeated and state.attempt == row.state.attempt + 1:
                fates[row.state.id] = Fate.REDRIVEN
            else:
                fates[row.state.id] = Fate.CHANGED
        return fates


async def _to_its_end(writing: Coroutine[None, None, Mapping[str, Fate]]) -> Mapping[str, Fate]:
    """Await what a Ctrl-C must not cut: a write may be carried out, and nobody would have counted it."""
    task = asyncio.create_task(writing)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await task
        raise
