"""How requests are handled, by the settings: the same on containers and on Lambda. Imports no SDK."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from dropslot.adapters.wire.calls import Calls
from dropslot.core.policy import Policy
from dropslot.engine.backoff import Backoff
from dropslot.engine.handler import load_handlers
from dropslot.engine.options import ShardOptions
from dropslot.engine.ports import Clock, Counters, Runner
from dropslot.engine.runners import make_runner
from dropslot.engine.sweep import SweepOptions
from dropslot.settings import Settings

if TYPE_CHECKING:
    from dropslot.engine.steps.stepping import Stepping


def make_runners(settings: Settings) -> Mapping[str, Runner]:
    """Return what calls the handlers, by type of request.

    Raises:
        ConfigurationError: a handler can't be used.
    """
    return {
        type_name: make_runner(handler, execution=settings.execution, limit_seconds=settings.handler_timeout_seconds)
        for type_name, handler in load_handlers(settings.handler).items()
    }


def make_stepping(
    settings: Settings,
    runners: Mapping[str, Runner],
    open_journal: Callable[[], Calls],
    *,
    clock: Clock,
    counters: Counters,
    backoff: Backoff,
) -> "Stepping | None":
    """Return what runs requests with steps; None if no handler takes any: then nothing of it is loaded.

    Args:
        settings: of the consumer.
        runners: what calls the handlers.
        open_journal: returns calls of the table of journals.
        clock: time.
        counters: where events are counted.
        backoff: pauses while that table can't be reached.
    """
    if all(runner.stepped is None for runner in runners.values()):
        return None
    from dropslot.adapters.journal.dynamodb import DynamoDBJournal  # noqa: PLC0415
    from dropslot.engine.steps.stepping import StepOptions, Stepping  # noqa: PLC0415

    return Stepping(
        DynamoDBJournal(open_journal()),
        clock=clock,
        counters=counters,
        backoff=backoff,
        options=StepOptions(
            lease_ms=round(settings.step_lease_seconds * 1000), limit_seconds=settings.handler_timeout_seconds
        ),
    )


def shard_options(settings: Settings, *, policy: Callable[..., Policy] = Policy) -> ShardOptions:
    """Return the options of a shard.

    Args:
        settings: of the consumer.
        policy: a kind of policy, called with the arguments that every one has.
    """
    return ShardOptions(
        table=settings.table,
        concurrency=settings.concurrency,
        fresh_ms=settings.fresh_seconds * 1000,
        ttl_seconds=settings.ttl_seconds,
        policy=policy(
            handler_tries=settings.handler_tries,
            retry_schedule_seconds=settings.retry_schedule_seconds,
            result_max_bytes=settings.result_max_bytes,
        ),
    )


def sweep_options(settings: Settings) -> SweepOptions:
    """Return the options of a sweep."""
    return SweepOptions(
        interval_seconds=settings.sweep_interval_seconds, grace_ms=round(settings.sweep_grace_seconds * 1000)
    )
