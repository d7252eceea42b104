"""Operators: they retry, delete and replay at any time, two at once, and are cut short; and a sweep of their own."""

import asyncio
import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from dropslot.core.errors import TransientError
from dropslot.operate.errors import OutOfReachError
from tests.simulation.commands import Command, Deleting, Retrying
from tests.simulation.life import Key
from tests.simulation.loop import Image
from tests.simulation.operator import Operator
from tests.simulation.operators_plan import (
    DELETE,
    INTERRUPTED,
    KILLED,
    OUTCOME,
    RETRY,
    SILENCE,
    CommandPlan,
    OperatorsPlan,
)
from tests.simulation.replaying import Replaying
from tests.simulation.table import DefectError
from tests.simulation.worker import sweep_for_ever

if TYPE_CHECKING:
    from tests.simulation.world import World

#: How soon somebody starts a command again that was cut short or has failed.
_AGAIN_SECONDS: Final = 10.0


class Operators:
    """All operators of a schedule.

    Args:
        world: everything around them.
        plan: what they do.
        source: decides the rest.
    """

    def __init__(self, world: "World", plan: OperatorsPlan | None, source: random.Random) -> None:
        self._world = world
        self._plan = plan
        self._source = source
        self._to_come = 0
        self._following: list[tuple[str, Callable[[], None]]] = []
        self._at_work: dict[Operator, asyncio.Task[None]] = {}
        self._started = 0

    @property
    def idle(self) -> bool:
        """Tell whether no command is under way or to come."""
        return not self._to_come and self._resting

    @property
    def _resting(self) -> bool:
        return all(who.dead or task.done() for who, task in self._at_work.items())

    def schedule(self) -> None:
        """Decide when who does what."""
        if self._plan is None:
            return
        for plan in self._plan.commands:
            self._later(plan.at, plan, self._command(plan), set(), again=self._source.random() < 0.5)
        for event in (OUTCOME, SILENCE):  # whoever still waits then starts
            self._world.later(self._world.plan.quiet_at, self.happens, event)
        if self._plan.sweeps:
            sweeper = Image("second sweep")
            self._world.spawn(sweep_for_ever(self._world, sweeper), sweeper)

    def happens(self, event: str) -> None:
        """Have those start who wait for this."""
        for awaited, start in [entry for entry in self._following if entry[0] == event]:
            self._following.remove((awaited, start))
            self._world.later(self._source.choice((0.0, 0.1, 1.0)) * self._source.random(), start)

    def _command(self, plan: CommandPlan) -> Command:
        if plan.kind == RETRY:
            return Retrying(world=self._world, plan=plan, source=self._source)
        if plan.kind == DELETE:
            return Deleting(world=self._world, plan=plan, source=self._source)
        return Replaying(world=self._world, plan=plan, source=self._source)

    def _later(self, seconds: float, plan: CommandPlan, command: Command, redriven: set[Key], *, again: bool) -> None:
        self._to_come += 1

        def start() -> None:
            self._start(plan, command, redriven, again=again)

        def follow() -> None:
            if self._world.loop.time() < self._world.plan.quiet_at:
                self._following.append((plan.follows, start))
            else:
                start()

        self._world.later(seconds, follow if plan.follows else start)

    def _start(self, plan: CommandPlan, command: Command, redriven: set[Key], *, again: bool) -> None:
        self._to_come -= 1
        self._started += 1
        world = self._world
        operator = Operator(f"operator-{self._started}", plan.kind, redriven)

        def start_again() -> None:
            if again:
                since = redriven if isinstance(command, Replaying) else set[Key]()
                self._later(self._source.uniform(0, _AGAIN_SECONDS), plan, command, since, again=False)

        operator.blow = lambda: self._kill(operator, start_again)
        world.history.note("operator", detail=f"{operator.name}: {plan.kind}")
        task = world.loop.create_task(self._work(operator, command, start_again), context=operator.context)
        task.add_done_callback(world.check, context=world.nobody)
        if not self._resting:
            world.faults.struck.add("operators_at_once")
        self._at_work[operator] = task
        if plan.cut == KILLED:
            operator.fuse = plan.cut_after
        elif plan.cut == INTERRUPTED:
            world.later(plan.cut_after, self._interrupt, operator)

    async def _work(self, operator: Operator, command: Command, start_again: Callable[[], None]) -> None:
        world = self._world
        try:
            await command.run(operator)
        except (OutOfReachError, TransientError, DefectError) as error:
            world.history.note("operator gives up", detail=f"{operator.name}: {error}")
            start_again()
        except asyncio.CancelledError:
            world.faults.struck.add("operator_interrupted")
            world.history.note("operator stops", detail=operator.name)
            start_again()

    def _kill(self, operator: Operator, start_again: Callable[[], None]) -> None:
        operator.dead = True
        self._world.faults.struck.add("operator_killed")
        self._world.history.note("operator killed", detail=operator.name)
        start_again()

    def _interrupt(self, operator: Operator) -> None:
        task = self._at_work[operator]
        if not operator.dead and not task.done():
            self._world.loop.call_soon(task.cancel, context=operator.context)
