"""A replay: the product's own reader, carrier, ledger and redriver, on a stream and a table that misbehave."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

import msgspec

from dropslot.engine.backoff import Backoff
from dropslot.operate.errors import OutOfReachError
from dropslot.operate.redrive import Fate, Redriver
from dropslot.operate.replay.acting import Actions
from dropslot.operate.replay.carrier import Carrier
from dropslot.operate.replay.filters import Filters
from dropslot.operate.replay.ledger import Header, Ledger
from dropslot.operate.replay.position import Position, Span
from dropslot.operate.replay.progress import Meter
from dropslot.operate.replay.reading import Classified, Reader
from dropslot.operate.replay.tail import Tail
from dropslot.operate.row import Row
from dropslot.operate.table import RequestTable
from tests.simulation.faults import LONGEST_PAUSE_SECONDS
from tests.simulation.feed import TABLE
from tests.simulation.loop import VirtualClock
from tests.simulation.operator import Operator, Seen
from tests.simulation.operators_plan import REPLAY, REPLAY_FORCE, CommandPlan
from tests.simulation.stream_source import StreamSource
from tests.simulation.worker import SWEEP_GRACE_MS

if TYPE_CHECKING:
    from tests.simulation.world import World

_SPAN: Final = Span(start=Position(), end=Position(epoch_ms=0))
_encode: Final = msgspec.json.Encoder().encode


@dataclass(slots=True, kw_only=True)
class Replaying:
    """One replay, however often it has to be started.

    Args:
        world: everything around it.
        plan: its measures.
        source: decides the rest.
        until_ms: epoch milliseconds of its first start: what came later isn't read, but for what it tells of the gone.
        file: tells how far it is, and survives it.
        asked: the settled requests that its first look has found, as they were seen; None before it has.
    """

    world: "World"
    plan: CommandPlan
    source: random.Random
    until_ms: int = 0
    file: BytesIO = field(default_factory=BytesIO)
    asked: frozenset[Seen] | None = None

    async def run(self, operator: Operator) -> None:
        """See `Command.run`."""
        self.until_ms = self.until_ms or self.world.loop.now_ms()
        clock, port, ledger = VirtualClock(self.world.loop), self.world.operator_port(), self._ledger()
        actions = Actions(
            failed=self.plan.kind != REPLAY,
            force=self.plan.kind == REPLAY_FORCE,
            grace_ms=SWEEP_GRACE_MS,
            settled=ledger.meant,
        )
        tail = None
        if actions.force or self.source.random() < 0.3:
            survey = await self._carrier(operator, ledger).look(actions, _tell_nobody)
            self.asked = self.asked if self.asked is not None else frozenset(operator.seen)
            actions = replace(actions, gone=survey.gone, settled=survey.settled)
            if actions.force:
                tail = Tail(survey, lambda end_ms: self._stream(operator, end_ms), table_name=TABLE, clock=clock)
                await tail.catch_up()
        operator.asked = self.asked
        await clock.sleep(self.plan.hesitates_seconds)
        redriver = Redriver(
            requests=port,
            restoring=port,
            clock=clock,
            backoff=Backoff(max_seconds=LONGEST_PAUSE_SECONDS, source=self.source),
            per_second=self.plan.per_second,
            fates=ledger.fates,
        )
        with self.world.checker.operations.told(operator, ledger.fates, goes_on=not ledger.is_new):
            await self._carrier(operator, ledger).act(actions, redriver, _tell_nobody, tail=tail)

    def _ledger(self) -> Ledger:
        """Go on with what the file tells, as the command does."""
        ledger = Ledger.read(self.file)
        if ledger is not None:
            return ledger
        header = Header(command={}, started_at=self.until_ms, span=_SPAN)
        self.file.write(_encode(header) + b"\n")
        return Ledger(header, self.file)

    def _carrier(self, operator: Operator, ledger: Ledger) -> Carrier:
        stream = self._stream(operator, self.until_ms)
        reader = Reader(
            stream,
            _Table(self.world, operator),
            table_name=TABLE,
            filters=Filters(),
            clock=VirtualClock(self.world.loop),
            grace_ms=SWEEP_GRACE_MS,
        )
        return Carrier(source=stream, reader=reader, ledger=ledger, meter=_Silent())

    def _stream(self, operator: Operator, until_ms: int) -> StreamSource:
        return StreamSource(self.world, operator, self.source, until_ms=until_ms)


class _Table(RequestTable):
    """What the reader asks, on behalf of one operator.

    Args:
        world: everything around it.
        operator: who asks.
    """

    def __init__(self, world: "World", operator: Operator) -> None:
        # Not the parent's own: it has a client of AWS's.
        self._world = world
        self._operator = operator

    def get(self, ids: Sequence[str]) -> Mapping[str, Row]:
        """See `RequestTable.get`: nothing else goes on in its process until it has its answer."""
        now, faults = self._world.loop.time(), self._world.faults
        if faults.outage(now) or faults.strikes("errors", 0.05, now):
            raise OutOfReachError("out of reach")
        items = (self._world.table.items.get(key) for key in ids)
        rows = [row for item in items if item is not None and (row := Row.from_item(item)) is not None]
        for row in rows:
            self._operator.look(row)
        return {row.state.id: row for row in rows}


class _Silent(Meter):
    """Nobody looks at it."""

    def __init__(self) -> None:
        pass

    def move(self, *args: Any, **rest: Any) -> None:
        """See `Meter.move`."""

    def finish(self, lane: str) -> None:
        """See `Meter.finish`."""


def _tell_nobody(classified: Classified, attempt: int, fate: Fate | None) -> None:
    del classified, attempt, fate
