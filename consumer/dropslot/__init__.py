"""Dropslot: durable fire-and-forget request processing on AWS."""

from typing import TYPE_CHECKING

from dropslot.core.errors import Reject, RetryLater, StepsMisusedError, StepTimeoutError
from dropslot.core.request import Request

if TYPE_CHECKING:
    from dropslot.core.step_policy import StepPolicy
    from dropslot.engine.context import step_key
    from dropslot.engine.steps.steps import AsyncSteps, Steps

__all__ = [
    "AsyncSteps",
    "Reject",
    "Request",
    "RetryLater",
    "StepPolicy",
    "StepTimeoutError",
    "Steps",
    "StepsMisusedError",
    "step_key",
]

#: Loaded when a handler asks for them: one without steps needn't pay for them in a cold start.
_LATER = {
    "AsyncSteps": "dropslot.engine.steps.steps",
    "StepPolicy": "dropslot.core.step_policy",
    "Steps": "dropslot.engine.steps.steps",
    "step_key": "dropslot.engine.context",
}


def __getattr__(name: str) -> object:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415 - as above

    return getattr(import_module(_LATER[name]), name)
