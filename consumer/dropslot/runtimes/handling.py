"""How requests are handled, by the settings: the same on containers and on Lambda. Imports no SDK."""

from collections.abc import Callable, Mapping

from dropslot.core.policy import Policy
from dropslot.engine.handler import load_handlers
from dropslot.engine.options import ShardOptions
from dropslot.engine.ports import Runner
from dropslot.engine.runners import make_runner
from dropslot.engine.sweep import SweepOptions
from dropslot.settings import Settings


def make_runners(settings: Settings) -> Mapping[str, Runner]:
    """Return what calls the handlers, by type of request.

    Raises:
        ConfigurationError: a handler can't be used.
    """
    return {
        type_name: make_runner(handler, execution=settings.execution, limit_seconds=settings.handler_timeout_seconds)
        for type_name, handler in load_handlers(settings.handler).items()
    }


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
