"""Which variables a consumer can't be given: others set them, its runtime refuses them, or it wouldn't start."""

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final

from dropslot.core import mapping
from dropslot.core.errors import ConfigurationError
from dropslot.settings import PREFIX, Settings
from dropslot_infra.kcl_consumer import STOP_TIMEOUT_SECONDS, with_default_variables

if TYPE_CHECKING:
    from dropslot_infra.settings import DeploymentSettings

#: Variables that the deployment sets itself, with the setting to use instead.
OWN_VARIABLES: Final[Mapping[str, str]] = {
    "DROPSLOT_HANDLER": "set handlers",
    "DROPSLOT_TTL_SECONDS": "set ttl_seconds",
    "DROPSLOT_TABLE": "set name",
    "DROPSLOT_JOURNAL": "set name",
    "DROPSLOT_STREAM": "set name",
    "DROPSLOT_APPLICATION": "set name",
    "DROPSLOT_STATE_DIR": "leave it out: the image has its place for it",
    "AWS_REGION": "leave it out: it is where the stack is",
    "AWS_DEFAULT_REGION": "leave it out: it is where the stack is",
    "AWS_ACCESS_KEY_ID": "grant what the handler needs to its role",
    "AWS_SECRET_ACCESS_KEY": "grant what the handler needs to its role",
    "AWS_SESSION_TOKEN": "grant what the handler needs to its role",
}
#: https://docs.aws.amazon.com/lambda/latest/api/API_Environment.html
_LAMBDA_NAME: Final = re.compile(r"[a-zA-Z][a-zA-Z0-9_]+")
#: Besides those above (https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html).
_LAMBDA_RESERVED: Final = frozenset(
    {
        "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
        "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_LAMBDA_FUNCTION_VERSION",
        "AWS_LAMBDA_INITIALIZATION_TYPE",
        "AWS_LAMBDA_LOG_GROUP_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_LAMBDA_RUNTIME_API",
        "LAMBDA_RUNTIME_DIR",
        "LAMBDA_TASK_ROOT",
    }
)
#: Between the end of work in flight and the container's: the daemon's own end, and that of the last checkpoints.
STOP_MARGIN_SECONDS: Final = 10
#: A function that starts a handler later than this before its time-out doesn't start it at all.
HANDLER_MARGIN_SECONDS: Final = 10


def variable_faults(settings: "DeploymentSettings") -> Iterator[str]:
    """Yield one sentence for each variable that would be refused later: by CDK, by AWS, or by the consumer."""
    yield from _clashes(settings)
    if settings.consumer == "lambda":
        yield from _refused_by_lambda(settings)
    yield from _consumer_faults(settings)


def _clashes(settings: "DeploymentSettings") -> Iterator[str]:
    for name in sorted({*settings.environment, *settings.secrets} & OWN_VARIABLES.keys()):
        yield f"{name} can't be set in environment or secrets: {OWN_VARIABLES[name]}"
    for name in sorted(set(settings.environment) & set(settings.secrets)):
        yield f"{name} stands in environment and in secrets: leave one out"
    for name in sorted(set(settings.secrets) - OWN_VARIABLES.keys()):
        if name.startswith(PREFIX):
            yield f"{name} stands in secrets, but the consumer's settings are none: set it in environment"


def _refused_by_lambda(settings: "DeploymentSettings") -> Iterator[str]:
    arns = {f"{name}_ARN": name for name in settings.secrets}
    for name in sorted(arns.keys() & {*settings.environment, *settings.secrets}):
        yield f"{name} can't be set: functions find the ARN of the secret {arns[name]} there; rename either"
    for name in sorted({*settings.environment, *settings.secrets}):
        if name in _LAMBDA_RESERVED or not _LAMBDA_NAME.fullmatch(name):
            yield f"{name} can't be a function's variable: Lambda sets it itself, or refuses such a name; rename it"


def _consumer_faults(settings: "DeploymentSettings") -> Iterator[str]:
    chosen = {
        name: value
        for name, value in settings.environment.items()
        if name.startswith(PREFIX) and name not in OWN_VARIABLES and name not in settings.secrets
    }
    by_kcl = settings.consumer == "kcl"
    try:
        consumer = Settings.from_env(with_default_variables(chosen) if by_kcl else chosen)
    except ConfigurationError as wrong:
        yield from (f"environment: {fault}" for fault in wrong.faults)
        return
    longest_grace = STOP_TIMEOUT_SECONDS - STOP_MARGIN_SECONDS
    if by_kcl and consumer.shutdown_grace_seconds > longest_grace:
        yield (
            f"environment: {PREFIX}SHUTDOWN_GRACE_SECONDS={consumer.shutdown_grace_seconds:g} is more than Fargate "
            f"grants: {longest_grace} at most, so that {STOP_MARGIN_SECONDS} s are left for the last checkpoints"
        )
    longest_handler = mapping.STREAM_TIMEOUT_SECONDS - HANDLER_MARGIN_SECONDS
    if not by_kcl and consumer.handler_timeout_seconds > longest_handler:
        yield (
            f"environment: {PREFIX}HANDLER_TIMEOUT_SECONDS={consumer.handler_timeout_seconds:g} is more than a "
            f"function of {mapping.STREAM_TIMEOUT_SECONDS} s has for it: {longest_handler} at most"
        )
