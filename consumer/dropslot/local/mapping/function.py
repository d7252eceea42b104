"""A function: hands each invocation to an environment that is free, and starts one if none is."""

import asyncio
import itertools
import uuid
from collections.abc import Callable, Mapping
from logging import getLogger
from typing import Final

from dropslot.local.mapping.environment import Environment, FunctionSpec, InvocationError
from dropslot.local.mapping.verdict import Answer

_log: Final = getLogger(__name__)


class Function:
    """Any number of environments of one function; as many as invocations were ever under way at once.

    Args:
        spec: the function.
        on_line: told each line of its log.
    """

    def __init__(self, spec: FunctionSpec, *, on_line: Callable[[bytes], None]) -> None:
        self.spec: Final = spec
        self._on_line = on_line
        self._idle: list[Environment] = []
        self._busy: set[Environment] = set()
        self._retired: set[Environment] = set()
        self._numbers = itertools.count(1)

    @property
    def pids(self) -> Mapping[str, int]:
        """The process id of each environment."""
        everyone = sorted(environment.pid for environment in (*self._idle, *self._busy))
        return {f"{self.spec.name} {number}": pid for number, pid in enumerate(everyone, 1)}

    async def invoke(self, event: bytes) -> Answer:
        """Invoke the function, warm if an environment is idle. A failure is an answer too.

        Args:
            event: JSON.
        """
        request_id = str(uuid.uuid4())
        environment: Environment | None = None
        try:
            environment = self._idle.pop() if self._idle else await self._start()
            self._busy.add(environment)
            failed, value = await environment.invoke(event, request_id)
        except InvocationError as error:
            _log.warning("invocation_lost", extra={"function": self.spec.name, "reason": str(error)})
            await self._end(environment)
            return Answer(request_id=request_id, failed=True, value=str(error))
        except BaseException:
            await self._end(environment)
            raise
        if environment in self._retired:
            await self._end(environment)
        else:
            self._busy.discard(environment)
            self._idle.append(environment)
        return Answer(request_id=request_id, failed=failed, value=value)

    async def retire(self) -> None:
        """Have every later invocation served by a new environment; those under way may end."""
        self._retired |= self._busy
        idle, self._idle = self._idle, []
        await asyncio.gather(*(environment.kill() for environment in idle))

    async def close(self) -> None:
        """End all environments."""
        environments = [*self._idle, *self._busy]
        self._idle.clear()
        self._busy.clear()
        await asyncio.gather(*(environment.kill() for environment in environments))

    async def _start(self) -> Environment:
        number = next(self._numbers)
        environment = await Environment.start(self.spec, f"{self.spec.name}/{number}", self._on_line)
        _log.info("environment_started", extra={"function": self.spec.name, "number": number})
        return environment

    async def _end(self, environment: Environment | None) -> None:
        if environment is not None:
            self._busy.discard(environment)
            self._retired.discard(environment)
            await environment.kill()
