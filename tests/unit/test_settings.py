"""Settings from the environment: checked, and all that is wrong told at once."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dropslot.core.errors import ConfigurationError
from dropslot.core.policy import DEFAULT_RETRY_SCHEDULE_SECONDS
from dropslot.settings import Settings, parse_handlers

NAMES = [f"DROPSLOT_{name.upper()}" for name in Settings.__struct_fields__]


def test_an_empty_environment_gives_the_defaults() -> None:
    """What the design says: 60 s for a handler, 24 h for a done request, the retry schedule."""
    settings = Settings.from_env({})
    assert settings.handler == {"*": "app.handler:handle"}
    assert (settings.handler_timeout_seconds, settings.ttl_seconds) == (60, 86_400)
    assert settings.retry_schedule_seconds == DEFAULT_RETRY_SCHEDULE_SECONDS
    assert settings.kcl_properties == {}


def test_settings_cannot_be_changed() -> None:
    """They are read once."""
    with pytest.raises(AttributeError):
        Settings.from_env({}).table = "other"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("variable", "text", "value"),
    [
        ("HANDLER", "app.handler:handle", {"*": "app.handler:handle"}),
        ("HANDLER", "orders=a.b:c, webhooks=d:e", {"orders": "a.b:c", "webhooks": "d:e"}),
        ("HANDLER", "orders=a:b,c:d", {"orders": "a:b", "*": "c:d"}),
        ("TABLE", " other ", "other"),
        ("EXECUTION", "inline", "inline"),
        ("CONCURRENCY", "1", 1),
        ("CONCURRENCY", "1024", 1024),
        ("HANDLER_TIMEOUT_SECONDS", "0.5", 0.5),
        ("HANDLER_TRIES", "1", 1),
        ("RETRY_SCHEDULE_SECONDS", "1, 2.5,60", (1.0, 2.5, 60.0)),
        ("RETRY_SCHEDULE_SECONDS", "", ()),
        ("TTL_SECONDS", "300", 300),
        ("RESULT_MAX_BYTES", "0", 0),
        ("FRESH_SECONDS", "0", 0),
        ("SHUTDOWN_GRACE_SECONDS", "0", 0),
        ("KCL_PROPERTIES", "a=b, c=d=e,f=", {"a": "b", "c": "d=e", "f": ""}),
        ("KCL_JARS", "", ""),
        ("LOG_LEVEL", "ERROR", "ERROR"),
    ],
)
def test_each_variable_is_read(variable: str, text: str, value: object) -> None:
    """As its type."""
    settings = Settings.from_env({f"DROPSLOT_{variable}": text})
    read = getattr(settings, variable.lower())
    assert read == value
    assert type(read) is type(value) or isinstance(value, (int, float))


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("HANDLER", ""),
        ("HANDLER", "app.handler"),
        ("HANDLER", "app.handler:"),
        ("HANDLER", ":handle"),
        ("HANDLER", "app/handler.py:handle"),
        ("HANDLER", "a:b,c:d"),
        ("HANDLER", "orders=a:b,orders=c:d"),
        ("HANDLER", "Orders=a:b"),
        ("HANDLER", "=a:b"),
        ("HANDLER", "*=a:b,c:d"),
        ("TABLE", ""),
        ("TABLE", "  "),
        ("EXECUTION", "thread"),
        ("CONCURRENCY", "0"),
        ("CONCURRENCY", "1025"),
        ("CONCURRENCY", "1.5"),
        ("CONCURRENCY", "many"),
        ("CONCURRENCY", ""),
        ("HANDLER_TIMEOUT_SECONDS", "0"),
        ("HANDLER_TIMEOUT_SECONDS", "nan"),
        ("HANDLER_TIMEOUT_SECONDS", "inf"),
        ("HANDLER_TIMEOUT_SECONDS", "-1"),
        ("RETRY_SCHEDULE_SECONDS", "5,soon"),
        ("RETRY_SCHEDULE_SECONDS", "-5"),
        ("RETRY_SCHEDULE_SECONDS", "nan"),
        ("RETRY_SCHEDULE_SECONDS", "inf"),
        ("RETRY_SCHEDULE_SECONDS", "2592001"),
        ("RESULT_MAX_BYTES", "16385"),
        ("KCL_PROPERTIES", "name"),
        ("KCL_PROPERTIES", "=value"),
        ("LOG_LEVEL", "LOUD"),
        ("LOG_LEVEL", "debug"),
        ("TIMEOUT", "5"),
        ("handler", "a:b"),
    ],
)
def test_each_wrong_value_is_told_with_its_variable(variable: str, text: str) -> None:
    """One sentence, naming the variable."""
    with pytest.raises(ConfigurationError) as caught:
        Settings.from_env({f"DROPSLOT_{variable}": text})
    assert len(caught.value.faults) == 1
    assert f"DROPSLOT_{variable}" in caught.value.faults[0]


def test_all_faults_are_told_at_once() -> None:
    """Given three wrong variables, then three sentences."""
    with pytest.raises(ConfigurationError) as caught:
        Settings.from_env(
            {"DROPSLOT_CONCURRENCY": "0", "DROPSLOT_TABEL": "x", "DROPSLOT_LOG_LEVEL": "LOUD", "OTHER": "x"}
        )
    assert len(caught.value.faults) == 3


@pytest.mark.parametrize(
    ("environment", "fits"),
    [
        ({"HANDLER_TIMEOUT_SECONDS": "100"}, False),
        ({"HANDLER_TIMEOUT_SECONDS": "99"}, True),
        ({"HANDLER_TIMEOUT_SECONDS": "100", "SWEEP_GRACE_SECONDS": "310"}, True),
        ({"SWEEP_GRACE_SECONDS": "180"}, False),
        ({"SWEEP_GRACE_SECONDS": "180", "HANDLER_TRIES": "1"}, True),
        ({"HANDLER_TIMEOUT_SECONDS": "3600", "EXECUTION": "inline"}, True),
    ],
)
def test_the_grace_is_longer_than_a_run_may_take(environment: dict[str, str], *, fits: bool) -> None:
    """Or the sweep redrives what still runs."""
    variables = {f"DROPSLOT_{name}": text for name, text in environment.items()}
    if fits:
        Settings.from_env(variables)
    else:
        with pytest.raises(ConfigurationError, match="SWEEP_GRACE_SECONDS"):
            Settings.from_env(variables)


@pytest.mark.parametrize(
    ("environment", "region"),
    [
        ({}, "us-east-1"),
        ({"AWS_DEFAULT_REGION": "eu-west-1"}, "eu-west-1"),
        ({"AWS_REGION": "eu-west-2", "AWS_DEFAULT_REGION": "eu-west-1"}, "eu-west-2"),
        ({"AWS_REGION": "eu-west-2", "DROPSLOT_REGION": "eu-west-3"}, "eu-west-3"),
        ({"AWS_REGION": "", "AWS_DEFAULT_REGION": "eu-west-1"}, "eu-west-1"),
    ],
)
def test_the_region_comes_from_where_the_sdk_looks(environment: dict[str, str], region: str) -> None:
    """Ours first."""
    assert Settings.from_env(environment).region == region


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from([*NAMES, "DROPSLOT_NONE"]), st.text(max_size=12), max_size=4))
def test_any_environment_is_settings_or_a_configuration_error(environment: dict[str, str]) -> None:
    """Nothing else is raised, whatever is set."""
    try:
        Settings.from_env(environment)
    except ConfigurationError as error:
        assert error.faults  # noqa: PT017 - both ways are right


@settings(deadline=None)
@given(st.text())
def test_any_text_is_handlers_or_a_value_error(text: str) -> None:
    """What comes out always names a module and a function."""
    try:
        handlers = parse_handlers(text)
    except ValueError:
        return
    assert handlers
    assert all(target.count(":") == 1 and all(target.split(":")) for target in handlers.values())
