"""Which settings of a deployment don't go together: faults that no single value shows."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from dropslot_infra.container_image import is_in_ecr
from dropslot_infra.readers import listed
from dropslot_infra.variable_agreement import variable_faults

if TYPE_CHECKING:
    from dropslot_infra.settings import DeploymentSettings

#: CPU units to the least memory, the most and the step between, in MiB
#: (https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-cpu-memory-error.html).
_TASK_MEMORY_MIB: Final = {
    256: (512, 2048, 512),
    512: (1024, 4096, 1024),
    1024: (2048, 8192, 1024),
    2048: (4096, 16_384, 1024),
    4096: (8192, 30_720, 1024),
    8192: (16_384, 61_440, 4096),
    16_384: (32_768, 122_880, 8192),
}
#: What names of the stack's own tables end in.
_TABLE_ENDINGS: Final = ("-requests", "-journal")
_SECRET_ENDING: Final = re.compile(r"-[A-Za-z0-9]{6}")


def disagreements(settings: "DeploymentSettings") -> list[str]:
    """Return one sentence for each contradiction: what is wrong, and what to set instead."""
    return [
        *_name(settings),
        *_callers(settings),
        *_types(settings),
        *_network(settings),
        *_image(settings),
        *_sizes(settings),
        *_secrets(settings),
        *variable_faults(settings),
    ]


def _name(settings: "DeploymentSettings") -> Iterator[str]:
    for ending in _TABLE_ENDINGS:
        if settings.name.endswith(ending):
            yield (
                f"name = {settings.name!r}: its leases would be in the table {settings.name}, which is that of a "
                f"stack named {settings.name.removesuffix(ending)}: let it not end in {ending}"
            )


def _callers(settings: "DeploymentSettings") -> Iterator[str]:
    if (settings.auth == "cognito") != bool(settings.cognito_user_pool_arn):
        yield "cognito_user_pool_arn goes with auth = 'cognito': set both or neither"
    if (settings.auth == "api_key") != bool(settings.api_keys):
        yield "api_keys goes with auth = 'api_key': set both, with one name per caller, or neither"
    if settings.feedback and settings.auth == "cognito":
        yield (
            "feedback doesn't go with auth = 'cognito': a WebSocket API can ask for a signature or an API key, not for "
            "a user pool's token; leave feedback out, and let clients poll"
        )
    if settings.auth == "none" and settings.open_types:
        yield "open_types has no meaning with auth = 'none', which opens all types: leave it out"
    if settings.requests_burst < settings.requests_per_second:
        yield (
            f"requests_burst = {settings.requests_burst} is below requests_per_second = "
            f"{settings.requests_per_second}: raise it, or that rate is never reached"
        )


def _types(settings: "DeploymentSettings") -> Iterator[str]:
    types = settings.api.types
    for name in settings.open_types:
        if name not in types:
            yield f"open_types holds {name}, which the API has not; it has {listed(types)}"
    for name in settings.handlers:
        if name not in {*types, "*"}:
            yield f"handlers has one for {name}, which the API has not; it has {listed(types)}"
    for name in types:
        if name not in settings.handlers and "*" not in settings.handlers:
            yield f"handlers has none for {name}: name one, or one for '*'"


def _network(settings: "DeploymentSettings") -> Iterator[str]:
    existing = settings.network == "existing"
    if existing != bool(settings.vpc_id) or existing != bool(settings.vpc_subnet_ids):
        yield "vpc_id and vpc_subnet_ids go with network = 'existing': set all three, or neither of the first two"
    if settings.consumer == "lambda" and settings.network != "public":
        yield f"network = {settings.network!r} is for consumer = 'kcl': functions run in no network; leave it out"
    if settings.vpc_public_ips and not existing:
        yield "vpc_public_ips goes with network = 'existing': the others know what they need; leave it out"
    if settings.network == "private" and settings.image and not is_in_ecr(settings.image):
        yield f"image = {settings.image!r} can't be pulled with network = 'private': push it to ECR"


def _image(settings: "DeploymentSettings") -> Iterator[str]:
    if settings.consumer == "lambda" and settings.image:
        yield "image is for consumer = 'kcl': functions are made from the project's files; leave it out"


def _sizes(settings: "DeploymentSettings") -> Iterator[str]:
    low, high, step = _TASK_MEMORY_MIB[settings.task_cpu]
    if settings.task_memory_mib not in range(low, high + 1, step):
        yield (
            f"task_memory_mib = {settings.task_memory_mib} doesn't go with task_cpu = {settings.task_cpu}: "
            f"Fargate has {low} to {high} in steps of {step} for it"
        )
    if settings.tasks_min > settings.tasks_max:
        yield f"tasks_min = {settings.tasks_min} is above tasks_max = {settings.tasks_max}"
    if settings.tasks_min == 0 < settings.tasks_max:
        yield (
            f"tasks_min = 0 goes with tasks_max = 0, which pauses the consumer: the age of what nobody reads isn't "
            f"measured, so it would never scale out to {settings.tasks_max}; set tasks_min to 1"
        )
    if isinstance(settings.shards, int) and settings.tasks_max > settings.shards:
        yield f"tasks_max = {settings.tasks_max} is above shards = {settings.shards}: the others would have no shard"


def _secrets(settings: "DeploymentSettings") -> Iterator[str]:
    for variable, name in sorted(settings.secrets.items()):
        complete = _SECRET_ENDING.fullmatch(name[-7:]) is not None
        if name.startswith("arn:") and not complete:
            yield f"secrets: {variable} = {name!r}: the ARN isn't whole: a hyphen and six characters end it"
        if not name.startswith("arn:") and complete:
            # https://docs.aws.amazon.com/secretsmanager/latest/userguide/troubleshoot.html#ARN_secretnamehyphen
            yield (
                f"secrets: {variable} = {name!r}: Secrets Manager takes the end of such a name, a hyphen and six "
                "characters, for the one that it adds to ARNs, and finds no secret: give its whole ARN"
            )
