"""What both functions share: settings read once at the first invocation, and a loop that lives on after it."""

import asyncio
import logging
import sys
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final, Generic, Protocol, TypeVar

from dropslot.adapters import logs
from dropslot.core.errors import ConfigurationError
from dropslot.settings import Settings

_log: Final = logging.getLogger(__name__)

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
        build: builds what is kept, from settings and the milliseconds that the function's time-out leaves; called on
            the loop.
        serve: answers one invocation with it: event, milliseconds left.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        *,
        build: Callable[[Settings, float], T],
        serve: Callable[[T, Mapping[str, Any], float], Coroutine[Any, Any, dict[str, Any]]],
    ) -> None:
        self._environment = environment
        self._build = build
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
                self._kept = self._start(context)
            return await self._serve(self._kept, event, context.get_remaining_time_in_millis())
        except ConfigurationError as wrong:
            _log.error("configuration_wrong", extra={"faults": wrong.faults})
            raise

    def _start(self, context: LambdaContext) -> T:
        # Lambda's own handler writes plain text.
        logs.configure("INFO", sys.stderr)
        settings = Settings.from_env(self._environment)
        logs.configure(settings.log_level, sys.stderr)
        return self._build(settings, context.get_remaining_time_in_millis())
