"""What the settings of a consumer make of its shards and handlers."""

import pytest

from dropslot.core.errors import ConfigurationError
from dropslot.core.policy import Policy
from dropslot.engine.options import ShardOptions
from dropslot.engine.runners import InlineRunner, ThreadRunner
from dropslot.runtimes.handling import make_runners, shard_options
from dropslot.settings import Settings


def settings(**variables: str) -> Settings:
    """Return settings from variables without their prefix."""
    return Settings.from_env({f"DROPSLOT_{name.upper()}": value for name, value in variables.items()})


def test_each_setting_of_a_shard_reaches_it_in_its_unit() -> None:
    """Given settings that all differ from their defaults, then the options hold each."""
    given = settings(
        table="orders",
        concurrency="3",
        fresh_seconds="1.5",
        ttl_seconds="60",
        handler_tries="2",
        retry_schedule_seconds="7,8",
        result_max_bytes="99",
    )
    assert shard_options(given) == ShardOptions(
        table="orders",
        concurrency=3,
        fresh_ms=1_500,
        ttl_seconds=60,
        policy=Policy(handler_tries=2, retry_schedule_seconds=(7, 8), result_max_bytes=99),
    )


def test_each_type_has_the_runner_of_its_handler() -> None:
    """Given handlers of two types, then each has a runner of the kind that was chosen."""
    handler = "orders=json:loads,webhooks=json:dumps"
    assert {name: type(runner) for name, runner in make_runners(settings(handler=handler)).items()} == {
        "orders": ThreadRunner,
        "webhooks": ThreadRunner,
    }
    inline = make_runners(settings(handler="json:loads", execution="inline"))
    assert [type(runner) for runner in inline.values()] == [InlineRunner]


def test_a_handler_that_cannot_be_used_is_a_fault_of_configuration() -> None:
    """Given the name of no function, then it is said."""
    with pytest.raises(ConfigurationError, match="has no function 'nothing'"):
        make_runners(settings(handler="json:nothing"))
