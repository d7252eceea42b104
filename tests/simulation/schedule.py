"""The function behind the schedule: sweeps once a minute, in an environment that stands still in between."""

from contextlib import suppress
from typing import TYPE_CHECKING, Final

from dropslot.core import mapping
from dropslot.core.errors import TransientError
from dropslot.runtimes.lambda_.sweep import ScheduledSweep
from tests.simulation.function import settings_of
from tests.simulation.loop import Image, VirtualClock
from tests.simulation.table import DefectError

if TYPE_CHECKING:
    from tests.simulation.world import World

_EVERY_SECONDS: Final = float(mapping.SWEEP_EVERY_SECONDS)
_TIMEOUT_SECONDS: Final = float(mapping.SWEEP_TIMEOUT_SECONDS)


class Schedule:
    """Invokes the sweep function.

    Args:
        world: everything around it.
    """

    def __init__(self, world: "World") -> None:
        self._world = world
        self._image = Image("sweep function")
        self._image.dead = True
        self._sweep: ScheduledSweep | None = None
        self._number = 0
        self._busy = False
        #: It has left for good.
        self.retired = False

    def start(self) -> None:
        """Enable it."""
        self._world.later(self._world.random.uniform(0, _EVERY_SECONDS), self._tick)

    def crash(self) -> None:
        """Have its environment die in the middle of the next invocation, or of this one."""
        if not self._image.dead:
            self._image.fuse = self._world.random.choice((0, 3, 10))

    def _tick(self) -> None:
        if self.retired:
            return
        self._world.later(_EVERY_SECONDS, self._tick)
        loop = self._world.loop
        if self._image.dead:
            self._image = Image("sweep function")
            self._image.blow = self._end
            self._sweep = None
        else:
            loop.thaw(self._image, 0)
        self._number += 1
        self._busy = True
        self._world.spawn(self._invocation(), self._image)
        self._world.later(_TIMEOUT_SECONDS, self._cut_off, self._number)

    async def _invocation(self) -> None:
        if self._sweep is None:
            self._sweep = ScheduledSweep(
                settings=settings_of(self._world), table=self._world.port(), clock=VirtualClock(self._world.loop)
            )
        with suppress(TransientError, DefectError):  # the next one goes on
            await self._sweep.run(remaining_ms=_TIMEOUT_SECONDS * 1000)
        self._busy = False
        self._world.loop.freeze(self._image)

    def _cut_off(self, number: int) -> None:
        if self._busy and number == self._number:
            self._end()

    def _end(self) -> None:
        self._world.history.note("sweep ends", detail="in the middle")
        self._image.dead = True
        self._busy = False
