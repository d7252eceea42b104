"""The commands of operators, but for replay: the product's own parts, on a table that misbehaves."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from dropslot.engine.backoff import Backoff
from dropslot.operate.redrive import Redriver
from dropslot.operate.retrying import as_retried
from dropslot.operate.row import Row
from tests.simulation.faults import LONGEST_PAUSE_SECONDS
from tests.simulation.loop import VirtualClock
from tests.simulation.operator import Operator
from tests.simulation.operators_plan import CommandPlan

if TYPE_CHECKING:
    from tests.simulation.world import World


class Command(Protocol):
    """What an operator may start, and start again when it was cut short."""

    async def run(self, operator: Operator) -> None:
        """Carry it out, by this operator."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Retrying:
    """Retries failed requests: those that the index has, or some by their ids.

    Args:
        world: everything around it.
        plan: its measures.
        source: decides the rest.
    """

    world: "World"
    plan: CommandPlan
    source: random.Random

    async def run(self, operator: Operator) -> None:
        """See `Command.run`."""
        rows = await self._rows()
        for row in rows:
            operator.look(row)
        await VirtualClock(self.world.loop).sleep(self.plan.hesitates_seconds)
        redriver = Redriver(
            requests=self.world.operator_port(),
            clock=VirtualClock(self.world.loop),
            backoff=Backoff(max_seconds=LONGEST_PAUSE_SECONDS, source=self.source),
            per_second=self.plan.per_second,
        )
        with self.world.checker.operations.told(operator, redriver.fates):
            for start in range(0, len(rows), redriver.batch_size):
                await redriver.redrive([as_retried(row) for row in rows[start : start + redriver.batch_size]])

    async def _rows(self) -> Sequence[Row]:
        port = self.world.operator_port()
        if self.source.random() < 0.5:
            return await port.failed()
        return [row for row in (await port.look(some_ids(self.world, self.source))).values() if row.error]


@dataclass(frozen=True, slots=True, kw_only=True)
class Deleting:
    """Deletes some requests, whatever their state.

    Args:
        world: everything around it.
        plan: its measures.
        source: decides the rest.
    """

    world: "World"
    plan: CommandPlan
    source: random.Random

    async def run(self, operator: Operator) -> None:
        """See `Command.run`."""
        del operator
        port = self.world.operator_port()
        rows = await port.look(some_ids(self.world, self.source))
        await VirtualClock(self.world.loop).sleep(self.plan.hesitates_seconds)
        for row in rows.values():
            if await port.delete(row):
                self.world.clients.use_again(row.state.id, self.source)


def some_ids(world: "World", source: random.Random) -> list[str]:
    """Return the ids of some requests: of failed ones, or of any."""
    items = world.table.items
    ids = sorted(key for key, item in items.items() if "error" in item) if source.random() < 0.5 else sorted(items)
    return source.sample(ids, min(len(ids), source.choice((1, 2, 8))))
