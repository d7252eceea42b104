"""What a team can set for a deployment: a TOML file per environment, overridden by CDK context, checked as a whole."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, Self

from dropslot.api.settings import ApiSettings
from dropslot.core.errors import ConfigurationError
from dropslot_infra import readers
from dropslot_infra.agreement import disagreements
from dropslot_infra.handler_source import handler_fault
from dropslot_infra.readers import Reader
from dropslot_infra.retention import LOG_RETENTION

#: `cdk deploy -c dropslot:shards=2` overrides the setting `shards`. Without a prefix a misspelled setting would look
#: like any other context and be ignored.
CONTEXT_PREFIX: Final = "dropslot:"
#: As many shards as the traffic needs, for a higher price.
ON_DEMAND: Final = "on-demand"
#: The handler of all types that have none of their own.
ANY_TYPE: Final = "*"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentSettings:
    """Settings of one deployment; `docs/deploy.md` lists them. The defaults are the safe and then the cheap choice.

    Args:
        name: of the stack; table, stream and application are named after it.
        api: the types of request, with their schemas and kept headers; the file names the file that holds them.
        handlers: type of request (or `ANY_TYPE`) to ``module:function``.
        consumer: what runs the handlers: ``kcl``, a container on Fargate, or ``lambda``.
        auth: how a caller proves who it is; ``none`` lets anybody send.
        open_types: types that anybody may send to whatever `auth` is: webhooks, whose signature the handler checks.
        cognito_user_pool_arn: the pool whose tokens are taken, for auth ``cognito``.
        api_keys: one key is made for each name, for auth ``api_key``; each is a caller of its own.
        cors_origin: the web page origin that may call from a browser, or ``*``; "" for none.
        requests_per_second: what each method of each type takes over time, all callers together.
        requests_burst: what it takes at once.
        feedback: whether clients may wait for outcomes on a WebSocket, too.
        feedback_concurrency: connections and messages of theirs served at once at most, reserved for that out of what
            the account's functions have together; 0 reserves nothing and bounds nothing.
        shards: of the stream, or `ON_DEMAND`.
        stream_retention_hours: how far back the stream can be replayed.
        ttl_seconds: how long a done request is kept.
        network: ``public`` without a NAT gateway, ``private`` with endpoints only, or ``existing``.
        vpc_id: of the existing network.
        vpc_subnet_ids: where in the existing network tasks run; they need a way to AWS's endpoints.
        vpc_public_ips: whether tasks get public addresses there: needed in public subnets, useless in others.
        image: of the container, as a pipeline pushed it; "" builds it from the Dockerfile, which takes Docker.
        task_cpu: CPU units of a task, 1024 to a core.
        task_memory_mib: memory of a task.
        tasks_min: tasks that always run; with 0 here and in `tasks_max` the consumer pauses.
        tasks_max: tasks that lag may scale out to; more than shards would idle.
        function_memory_mib: memory of a function, which sets its CPU, too.
        function_concurrency: batches of one shard that functions process at once.
        environment: variables of the handlers' process.
        secrets: variable to the name or ARN of the Secrets Manager secret that holds its value.
        alarm_email: who hears of alarms; "" for nobody.
        viewer_roles: names of this account's roles that may use those of the operator's commands that only look.
        operator_roles: the same for all of the operator's commands.
        log_retention_days: how long logs are kept.
        api_log_role: what lets API Gateway write logs, which an account has one of: a role of this ``stack``, put in
            the place of any other, or the one that the ``account`` has already.
        removal: whether data outlives the stack (``retain``) or goes with it (``destroy``).
        account: the only AWS account this may be deployed to; "" for any.
        region: the only AWS region this may be deployed to; "" for any.
    """

    name: str = "dropslot"
    api: ApiSettings
    handlers: Mapping[str, str] = field(default_factory=lambda: {ANY_TYPE: "app.handler:handle"})
    consumer: Literal["kcl", "lambda"] = "kcl"
    auth: Literal["iam", "api_key", "cognito", "none"] = "iam"
    open_types: tuple[str, ...] = ()
    cognito_user_pool_arn: str = ""
    api_keys: tuple[str, ...] = ()
    cors_origin: str = ""
    requests_per_second: int = 100
    requests_burst: int = 200
    feedback: bool = False
    feedback_concurrency: int = 20
    shards: int | Literal["on-demand"] = 1
    stream_retention_hours: int = 24
    ttl_seconds: int = 86_400
    network: Literal["public", "private", "existing"] = "public"
    vpc_id: str = ""
    vpc_subnet_ids: tuple[str, ...] = ()
    vpc_public_ips: bool = False
    image: str = ""
    task_cpu: int = 512
    task_memory_mib: int = 1024
    tasks_min: int = 1
    tasks_max: int = 1
    function_memory_mib: int = 512
    function_concurrency: int = 1
    environment: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    alarm_email: str = ""
    viewer_roles: tuple[str, ...] = ()
    operator_roles: tuple[str, ...] = ()
    log_retention_days: int = 30
    api_log_role: Literal["stack", "account"] = "stack"
    removal: Literal["retain", "destroy"] = "retain"
    account: str = ""
    region: str = ""

    @classmethod
    def load(cls, file: Path, *, project: Path, context: Mapping[str, object] | None = None) -> Self:
        """Read an environment file.

        Args:
            file: TOML, one key per setting.
            project: the folder that holds `app/`; paths in the file are relative to it.
            context: CDK context; what starts with `CONTEXT_PREFIX` overrides the file.

        Raises:
            ConfigurationError: with one sentence for each fault.
        """
        try:
            mapping = tomllib.loads(file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            there = readers.listed(path.stem for path in file.parent.glob("*.toml"))
            raise ConfigurationError(f"{file} isn't there; beside it are {there}: choose one with -c env=") from None
        except (OSError, ValueError) as error:
            raise ConfigurationError(f"{file} can't be read as TOML: {error}") from error
        return cls.from_mapping(mapping, project=project, source=file.name, context=context)

    @classmethod
    def from_mapping(
        cls,
        mapping: Mapping[str, object],
        *,
        project: Path,
        source: str = "settings",
        context: Mapping[str, object] | None = None,
    ) -> Self:
        """Check decoded settings.

        Args:
            mapping: setting to value; what is left out has its default.
            project: what the path `api` is relative to.
            source: where the mapping comes from, for the faults.
            context: as for `load`.

        Raises:
            ConfigurationError: with one sentence for each fault.
        """
        given = {key: (value, source) for key, value in mapping.items()}
        for key, value in (context if context is not None else {}).items():
            if key.startswith(CONTEXT_PREFIX):
                name = key.removeprefix(CONTEXT_PREFIX)
                given[name] = (_decoded(value, _READERS.get(name)), f"-c {key}")
        faults: list[str] = []
        values: dict[str, Any] = {}
        for key, (value, where) in given.items():
            if key not in _READERS:
                faults.append(f"{where}: {key} is not a setting; known are {readers.listed(_READERS)}")
                continue
            try:
                values[key] = _READERS[key](value)
            except ValueError as wrong:
                faults.append(f"{where}: {key} = {value!r}: {wrong}")
        try:
            values["api"] = ApiSettings.load(project / values.get("api", "dropslot.toml"))
        except ConfigurationError as error:
            faults += error.faults
        if not faults:
            settings = cls(**values)
            faults = [*disagreements(settings), *settings.handler_faults(project)]
            if not faults:
                return settings
        raise ConfigurationError(*faults)

    def handler_faults(self, project: Path) -> list[str]:
        """Return one sentence for each handler that isn't in the project.

        Args:
            project: the folder that holds `app/`.
        """
        if self.image:  # which has its own
            return []
        targets = sorted(set(self.handlers.values()))
        return [f"handlers: {fault}" for fault in (handler_fault(target, project) for target in targets) if fault]


def _decoded(value: object, reader: Reader | None) -> object:
    """Return what a value of the command line, always text, stands for: `2` is a number unless text is asked for."""
    if not isinstance(value, str) or reader is None:
        return value
    try:
        reader(value)
    except ValueError:
        try:
            return tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            return value
    return value


_VARIABLE: Final = readers.text(r"[A-Za-z_][A-Za-z0-9_]*", "the name of a variable")
_TYPE: Final = readers.text(r"[a-z][a-z0-9_-]{0,63}|\*", "a type of request, or * for all others")
_TARGET: Final = readers.text(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*", "module:function, such as app.handler:handle")

_ROLE: Final = readers.text(r"[\w+=,.@-]{1,64}", "the name of a role of this account: the last part of its ARN")

_READERS: Final[Mapping[str, Reader]] = {
    "name": readers.text(r"[a-z][a-z0-9-]{1,30}[a-z0-9]", "3 to 32 of a-z, 0-9 and -, a letter first, no - last"),
    "api": readers.text(r"[^/].*", "the path of a file, relative to the project"),
    "handlers": readers.table(_TYPE, _TARGET),
    "consumer": readers.one_of("kcl", "lambda"),
    "auth": readers.one_of("iam", "api_key", "cognito", "none"),
    "open_types": readers.many(_TYPE),
    "cognito_user_pool_arn": readers.optional(
        readers.text(r"arn:[^:]+:cognito-idp:[^:]+:\d{12}:userpool/[\w-]+", "the ARN of a Cognito user pool")
    ),
    "api_keys": readers.many(readers.text(r"[A-Za-z0-9_-]{1,64}", "a name of letters, digits, _ and -")),
    "cors_origin": readers.optional(
        readers.text(r"\*|https?://[A-Za-z0-9.-]+(:\d+)?", "an origin such as https://shop.example, or *")
    ),
    "requests_per_second": readers.whole_number(1, 100_000),
    "requests_burst": readers.whole_number(1, 100_000),
    "feedback": readers.flag,
    "feedback_concurrency": readers.whole_number(0, 1000),
    "shards": readers.either(readers.whole_number(1, 10_000), readers.one_of(ON_DEMAND)),
    "stream_retention_hours": readers.whole_number(24, 8760),
    "ttl_seconds": readers.whole_number(0, 10 * 365 * 86_400),
    "network": readers.one_of("public", "private", "existing"),
    "vpc_id": readers.optional(readers.text(r"vpc-[0-9a-f]{8}([0-9a-f]{9})?", "an id such as vpc-0a1b2c3d")),
    "vpc_subnet_ids": readers.many(readers.text(r"subnet-[0-9a-f]{8}([0-9a-f]{9})?", "an id such as subnet-0a1b2c3d")),
    "vpc_public_ips": readers.flag,
    "image": readers.optional(
        readers.text(
            r"[a-z0-9][A-Za-z0-9./_:@-]{0,511}",
            "an image such as 123456789012.dkr.ecr.eu-central-1.amazonaws.com/dropslot:1",
        )
    ),
    "task_cpu": readers.one_of(256, 512, 1024, 2048, 4096, 8192, 16_384),
    "task_memory_mib": readers.whole_number(512, 122_880),
    "tasks_min": readers.whole_number(0, 1000),
    "tasks_max": readers.whole_number(0, 1000),
    "function_memory_mib": readers.whole_number(128, 10_240),
    "function_concurrency": readers.whole_number(1, 10),
    "environment": readers.table(_VARIABLE, readers.text(r"(?s).*", "a string")),
    "secrets": readers.table(
        _VARIABLE, readers.text(r"[A-Za-z0-9/_+=.@:-]{1,2048}", "the name or ARN of a secret in Secrets Manager")
    ),
    "alarm_email": readers.optional(readers.text(r"[^@\s]+@[^@\s]+\.[^@\s]+", "an e-mail address")),
    "viewer_roles": readers.many(_ROLE),
    "operator_roles": readers.many(_ROLE),
    "log_retention_days": readers.one_of(*LOG_RETENTION),
    "api_log_role": readers.one_of("stack", "account"),
    "removal": readers.one_of("retain", "destroy"),
    "account": readers.optional(readers.text(r"\d{12}", "an account number of 12 digits, in quotes")),
    "region": readers.optional(readers.text(r"[a-z]{2}(-[a-z]+)+-\d", "a region such as eu-central-1")),
}
