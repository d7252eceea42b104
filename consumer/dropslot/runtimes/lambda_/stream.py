"""The function behind the stream's mapping."""

import logging
import os
from collections.abc import Mapping
from functools import partial
from typing import Any

from dropslot.adapters.clock import SystemClock
from dropslot.runtimes.handling import make_runners, make_stepping
from dropslot.runtimes.lambda_.deadline import check_function_timeout
from dropslot.runtimes.lambda_.environment import Environment
from dropslot.runtimes.lambda_.function import Function
from dropslot.runtimes.lambda_.table import open_calls, open_table
from dropslot.settings import Settings


def stream_function(environment: Mapping[str, str]) -> Function[Environment]:
    """Return the handler of a function that a mapping gives batches of the stream.

    Args:
        environment: of the process; read at the first invocation.
    """
    return Function(environment, read=Settings.from_env, build=partial(_build, environment), serve=_serve)


def _build(environment: Mapping[str, str], settings: Settings, remaining_ms: float) -> Environment:
    # Before the handlers are imported, which takes its part of the time.
    check_function_timeout(remaining_ms=remaining_ms, handler_limit_seconds=settings.handler_timeout_seconds)
    runners = make_runners(settings)
    open_journal = partial(open_calls, environment, table=settings.journal, region=settings.region)
    return Environment(
        settings=settings,
        requests=open_table(environment, table=settings.table, region=settings.region),
        runners=runners,
        clock=SystemClock(),
        leave=_leave,
        make_stepping=partial(make_stepping, settings, runners, open_journal),
    )


async def _serve(environment: Environment, event: Mapping[str, Any], remaining_ms: float) -> dict[str, Any]:
    return await environment.handle(event, remaining_ms=remaining_ms)


def _leave() -> None:
    # Threads of handlers that never return must not hold it.
    logging.shutdown()
    os._exit(1)
