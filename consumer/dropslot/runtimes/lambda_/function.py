"""What the functions share: settings read once at the first invocation, and a loop that lives on after it."""

import asyncio
import logging
import sys
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from typing import Any, Final, Generic, Protocol, TypeVar

from dropslot.adapters import logs
from dropslot.core.errors import ConfigurationError

_log: Final = logging.getLogger(__name__)


class FunctionSettings(Protocol):
    """What the settings of every function have."""

    @property
    def log_level(self) -> str:
        """Level of the log lines."""
        ...


S = TypeVar("S", bound=FunctionSettings)
T = TypeVar("T")


class LambdaContext(Protocol):
    """What Lambda tells of an invocation, as far as we ask.

    https://docs.aws.amazon.com/lambda/latest/dg/python-context.html
    """

    def get_remaining_time_in_millis(self) -> int:
        """Return how many milliseconds the function's time-out leaves."""
        ...


class Function(Generic[T]):
    """A Lambda handler over something that is built once and kept.

    Args:
        environment: of the process; read at the first invocation.
        read: reads and checks the settings.
        build: builds what is kept, from settings and the milliseconds that the function's time-out leaves; called on
            the loop.
        serve: answers one invocation with it: event, milliseconds left.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        *,
        read: Callable[[Mapping[str, str]], S],
        build: Callable[[S, float], T],
        serve: Callable[[T, Mapping[str, Any], float], Coroutine[Any, Any, dict[str, Any]]],
    ) -> None:
        self._start = partial(_start, environment, read, build)
        self._serve = serve
        self._kept: T | None = None
        self._runner = asyncio.Runner()

    def __call__(self, event: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:
        """Serve one invocation.

        Raises:
            ConfigurationError: with every fault of the settings and handlers; each invocation fails until it is mended.
        """
        return self._runner.run(self._invoke(event, context))

    def close(self) -> None:
        """End the loop; Lambda itself never does, it just stops the process."""
        self._runner.close()

    async def _invoke(self, event: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:
        try:
            if self._kept is None:
                self._kept = self._start(context.get_remaining_time_in_millis())
            return await self._serve(self._kept, event, context.get_remaining_time_in_millis())
        except ConfigurationError as wrong:
            _log.error("configuration_wrong", extra={"faults": wrong.faults})
            raise


def _start(
    environment: Mapping[str, str],
    read: Callable[[Mapping[str, str]], S],
    build: Callable[[S, float], T],
    remaining_ms: float,
) -> T:
    # Lambda's own handler writes plain text.
    logs.configure("INFO", sys.stderr)
    settings = read(environment)
    logs.configure(settings.log_level, sys.stderr)
    return build(settings, remaining_ms)
