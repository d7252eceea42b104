"""Workers that run a handler with steps, one after the other: the next one finds what a dead one has left."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from dropslot import Request
from dropslot.adapters.counters import MemoryCounters
from dropslot.adapters.journal.memory import MemoryJournal
from dropslot.core.item import State
from dropslot.core.journal import Entry
from dropslot.core.policy import Outcome, Policy
from dropslot.engine.backoff import Backoff
from dropslot.engine.handler import Handler
from dropslot.engine.steps.runners import make_stepped_runner
from dropslot.engine.steps.stepping import StepOptions, SteppedRun, Stepping

_ACCEPTED_AT_MS: Final = 1_764_381_600_000
_LEASE_MS: Final = 30_000
#: Longer than all pauses between tries, shorter than those between renewals.
_SHORT_SECONDS: Final = 5


class Crash(BaseException):
    """The process is gone, and nothing of it goes on."""


class Workers:
    """One request, and those who run it over a journal in memory.

    Args:
        handler: the handler.
        request_id: the key of the request's item.
        body: what the client sent.
    """

    def __init__(self, handler: Callable[..., object], request_id: str, body: dict[str, Any]) -> None:
        self._handler = Handler("app:handle", handler, is_async=False, takes_steps=True)
        self._body = json.dumps(body)
        self._journal = MemoryJournal(self._called)
        self._clock = _Clock()
        self._state = State(
            id=request_id,
            accepted_at=_ACCEPTED_AT_MS,
            attempt=0,
            tries=0,
            status="pending",
            digit="0",
            settled=False,
        )
        self._calls_left: int | None = None
        #: The calls of the journal so far, each by its name.
        self.calls: list[str] = []

    @property
    def journal(self) -> Entry:
        """The journal as it stands."""
        return self._journal.entries(self._state.id)[-1]

    def run(self, *, calls: int | None = None) -> Outcome | None:
        """Run the request's next attempt; the lease of the one before has ended.

        Args:
            calls: how many calls of the journal the worker lives for; None: as many as it takes.

        Returns:
            The outcome it would write.

        Raises:
            Crash: it died.
        """
        self._calls_left = calls
        try:
            return asyncio.run(self._attempt())
        finally:
            self._state = msgspec.structs.replace(self._state, attempt=self._state.attempt + 1)
            self._clock.ms += 2 * _LEASE_MS

    async def _attempt(self) -> Outcome | None:
        policy, runner = Policy(), make_stepped_runner(self._handler, limit_seconds=60)
        assert runner.stepped is not None
        stepping = Stepping(
            self._journal,
            clock=self._clock,
            counters=MemoryCounters(),
            backoff=Backoff(),
            options=StepOptions(lease_ms=_LEASE_MS),
        )
        run = stepping.start(self._state, runner.stepped, policy=policy, ttl_seconds=86_400)
        try:
            return await self._outcome(run, policy)
        finally:
            run.close()
            runner.close()

    async def _outcome(self, run: SteppedRun, policy: Policy) -> Outcome | None:
        request = Request(
            id=self._state.id,
            type="purchases",
            body=self._body,
            content_type="application/json",
            headers={},
            accepted_at=datetime.fromtimestamp(_ACCEPTED_AT_MS / 1000, UTC),
            attempt=self._state.attempt,
        )
        ending = await run.call(request)
        return await run.outcome(request, ending, lambda: policy.judge(self._state, ending))

    def _called(self, name: str, _: str) -> None:
        if self._calls_left is not None:
            if self._calls_left == 0:
                raise Crash
            self._calls_left -= 1
        self.calls.append(name)


class _Clock:
    """Time that the test moves; short pauses are over at once, long ones never."""

    def __init__(self) -> None:
        self.ms = _ACCEPTED_AT_MS

    def now_ms(self) -> int:
        return self.ms

    async def sleep(self, seconds: float) -> None:
        if seconds > _SHORT_SECONDS:
            await asyncio.Event().wait()
