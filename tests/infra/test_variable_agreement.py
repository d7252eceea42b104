"""Variables that a consumer can't be given are told before anything is deployed."""

from typing import Any

import pytest

from dropslot.core.errors import ConfigurationError
from dropslot.runtimes.lambda_.deadline import START_WINDOW_SECONDS, WRITE_MARGIN_SECONDS
from dropslot_infra.variable_agreement import HANDLER_MARGIN_SECONDS
from tests.infra.synthesis import settings_of

LAMBDA = {"consumer": "lambda"}


@pytest.mark.parametrize(
    ("mapping", "told"),
    [
        (
            {"environment": {"DROPSLOT_TABLE": "mine"}},
            "DROPSLOT_TABLE can't be set in environment or secrets: set name",
        ),
        ({"secrets": {"AWS_SECRET_ACCESS_KEY": "x"}}, "grant what the handler needs to its role"),
        ({"environment": {"KEY": "x"}, "secrets": {"KEY": "y"}}, "KEY stands in environment and in secrets"),
        ({"secrets": {"DROPSLOT_KCL_PROPERTIES": "x"}}, "set it in environment"),
        ({"environment": {"DROPSLOT_TABEL": "x"}}, "environment: DROPSLOT_TABEL is not a setting; known are "),
        ({"environment": {"DROPSLOT_CONCURRENCY": "many"}}, "DROPSLOT_CONCURRENCY='many': expected a whole number"),
        (
            {"environment": {"DROPSLOT_HANDLER_TIMEOUT_SECONDS": "120"}},
            "DROPSLOT_SWEEP_GRACE_SECONDS=300 must be above",
        ),
        ({"environment": {"DROPSLOT_SHUTDOWN_GRACE_SECONDS": "111"}}, "110 at most"),
        (
            LAMBDA
            | {"environment": {"DROPSLOT_HANDLER_TIMEOUT_SECONDS": "291", "DROPSLOT_SWEEP_GRACE_SECONDS": "1800"}},
            "DROPSLOT_HANDLER_TIMEOUT_SECONDS=291 is more than a function of 300 s has for it: 290 at most",
        ),
        (LAMBDA | {"environment": {"AWS_LAMBDA_FUNCTION_NAME": "x"}}, "AWS_LAMBDA_FUNCTION_NAME can't be a function's"),
        (LAMBDA | {"environment": {"_X": "x"}}, "_X can't be a function's variable"),
        (LAMBDA | {"environment": {"A": "x"}}, "A can't be a function's variable"),
        (
            LAMBDA | {"environment": {"TOKEN_ARN": "x"}, "secrets": {"TOKEN": "shop/token"}},
            "TOKEN_ARN can't be set: functions find the ARN of the secret TOKEN there",
        ),
    ],
)
def test_a_variable_that_would_be_refused_later_is_told(mapping: dict[str, Any], told: str) -> None:
    """Given a variable that CDK, AWS or the consumer would refuse, when settings are read, then one fault says so."""
    with pytest.raises(ConfigurationError) as caught:
        settings_of(**mapping)
    (fault,) = caught.value.faults
    assert told in fault


@pytest.mark.parametrize(
    "mapping",
    [
        {"environment": {"DROPSLOT_SHUTDOWN_GRACE_SECONDS": "110", "DROPSLOT_CONCURRENCY": "8", "_X": "x"}},
        {"environment": {"TOKEN_ARN": "x"}, "secrets": {"TOKEN": "shop/token"}},
        LAMBDA | {"environment": {"DROPSLOT_HANDLER_TIMEOUT_SECONDS": "290", "DROPSLOT_SWEEP_GRACE_SECONDS": "1800"}},
        LAMBDA | {"environment": {"DROPSLOT_SHUTDOWN_GRACE_SECONDS": "120", "AWS_LAMBDA_EXEC_WRAPPER": "/opt/trace"}},
    ],
)
def test_what_will_work_is_taken(mapping: dict[str, Any]) -> None:
    """Given variables at the edge of what works, when settings are read, then nothing is said."""
    assert settings_of(**mapping).environment == mapping["environment"]


def test_all_are_told_at_once() -> None:
    """Given several such variables, then one error has them all."""
    with pytest.raises(ConfigurationError) as caught:
        settings_of(
            consumer="lambda",
            tasks_min=2,
            environment={"DROPSLOT_TABEL": "x", "DROPSLOT_EXECUTION": "fast", "_X": "x"},
            handlers={"*": "app.nobody:handle"},
        )
    assert len(caught.value.faults) == 5


def test_the_margin_is_what_the_function_asks_for() -> None:
    """Given the function's own check of its time-out, then settings that are taken pass it."""
    assert HANDLER_MARGIN_SECONDS >= WRITE_MARGIN_SECONDS + START_WINDOW_SECONDS
