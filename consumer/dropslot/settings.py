"""What an operator can set for a consumer, read from the environment once and checked as a whole."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, Self

import msgspec

from dropslot.core.errors import ConfigurationError
from dropslot.core.policy import DEFAULT_RETRY_SCHEDULE_SECONDS
from dropslot.engine.execution import ANY_TYPE

PREFIX: Final = "DROPSLOT_"
# Not compiled here: a function that isn't given the variable needn't pay for it in every cold start.
_TARGET: Final = r"[A-Za-z_][\w.]*:[A-Za-z_]\w*"
_NAME: Final = r"[A-Za-z0-9_.-]{3,128}"
_TYPE: Final = r"[a-z][a-z0-9_-]{0,63}"

#: On top of what a handler may take: pauses between its tries, the write of its outcome.
STALL_MARGIN_SECONDS: Final = 60.0


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of a consumer; `DROPSLOT_` plus the upper-case field name is the variable, `docs/settings.md` the list.

    Args:
        handler: type of request (or `ANY_TYPE`) to ``module:function``.
        table: name of the DynamoDB table of requests.
        journal: name of the DynamoDB table of journals; only handlers that take steps use it.
        stream: name of the Kinesis stream that carries the table's change records.
        application: name of the KCL application; its lease table has this name.
        region: AWS region of table and stream.
        execution: ``auto`` runs sync handlers in threads and async ones on a loop; ``inline`` runs them right in the
            engine: cheapest for handlers that only compute, but all else waits, and no limit ends them in order.
        concurrency: how many requests one shard runs at once.
        handler_timeout_seconds: how long one call of the handler may take.
        handler_tries: how often a raising handler is called in process before its error counts.
        retry_schedule_seconds: how long the n-th failure that may pass keeps a request waiting; after the last: failed.
        ttl_seconds: how long a done request is kept.
        result_max_bytes: a larger result (JSON, UTF-8) fails its request.
        fresh_seconds: a record younger than this, arrived since the process started, runs without a read first.
        step_lease_seconds: how long a worker that died keeps others from going on with a request's steps; one that
            lives renews it.
        sweep_interval_seconds: pause between two sweeps.
        sweep_grace_seconds: how long a request may be pending before the sweep redrives it.
        lost_handlers_max: handlers that never returned after which a shard process replaces itself.
        unreachable_limit_seconds: how long the table may be out of reach before a shard process gives up.
        shutdown_grace_seconds: how long a stopping consumer waits for work in flight.
        kcl_properties: further properties of the KCL daemon, ``name=value`` separated by commas.
        kcl_jars: folder with the daemon's jars; "" takes those that amazon_kclpy installed.
        state_dir: folder for the daemon's properties and the heartbeats; "" makes a temporary one.
        log_level: level of the log lines.
    """

    handler: Mapping[str, str]
    table: str = "requests"
    journal: str = "journal"
    stream: str = "requests"
    application: str = "dropslot"
    region: str = "us-east-1"
    execution: str = "auto"
    concurrency: int = 64
    handler_timeout_seconds: float = 60.0
    handler_tries: int = 3
    retry_schedule_seconds: tuple[float, ...] = DEFAULT_RETRY_SCHEDULE_SECONDS
    ttl_seconds: int = 86_400
    result_max_bytes: int = 16_384
    fresh_seconds: float = 5.0
    step_lease_seconds: float = 30.0
    sweep_interval_seconds: float = 5.0
    sweep_grace_seconds: float = 300.0
    lost_handlers_max: int = 8
    unreachable_limit_seconds: float = 120.0
    shutdown_grace_seconds: float = 20.0
    kcl_properties: Mapping[str, str]
    kcl_jars: str = ""
    state_dir: str = ""
    log_level: str = "INFO"

    @classmethod
    def from_env(cls, environment: Mapping[str, str]) -> Self:
        """Read and check all settings.

        Args:
            environment: usually ``os.environ``. `AWS_REGION` or `AWS_DEFAULT_REGION` give the region.

        Raises:
            ConfigurationError: with one sentence for each wrong or unknown variable.
        """
        faults: list[str] = []
        values: dict[str, Any] = {
            "handler": {ANY_TYPE: "app.handler:handle"},
            "kcl_properties": {},
            "region": environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION") or "us-east-1",
        }
        known = {PREFIX + name.upper(): name for name in cls.__struct_fields__}
        for variable, text in sorted(environment.items()):
            if not variable.startswith(PREFIX):
                continue
            name = known.get(variable)
            if name is None:
                faults.append(f"{variable} is not a setting; known are {', '.join(sorted(known))}")
                continue
            try:
                values[name] = _READERS.get(name, _text)(text.strip())
            except ValueError as wrong:
                faults.append(f"{variable}={text!r}: {wrong}")
        if not faults:
            settings = cls(**values)
            grace, limit = settings.sweep_grace_seconds, settings.handling_limit_seconds
            if grace <= limit and settings.execution != "inline":
                faults.append(
                    f"{PREFIX}SWEEP_GRACE_SECONDS={grace:g} must be above handler_timeout_seconds x handler_tries "
                    f"({limit:g}), or the sweep redrives requests that still run"
                )
            if not faults:
                return settings
        raise ConfigurationError(*faults)

    @property
    def handling_limit_seconds(self) -> float:
        """How long a request can keep its handler busy in one run, pauses between tries left out."""
        return self.handler_timeout_seconds * self.handler_tries

    @property
    def stall_limit_seconds(self) -> float:
        """How long a shard with open records may resolve none, the table being reachable, before it must be stuck."""
        return self.handling_limit_seconds + STALL_MARGIN_SECONDS


def parse_handlers(text: str) -> dict[str, str]:
    """Read ``module:function`` or ``type=module:function,type=module:function``.

    Raises:
        ValueError: saying what a handler looks like.
    """
    handlers: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        type_name, separator, target = part.rpartition("=")
        if not separator:
            type_name = ANY_TYPE
        named = re.fullmatch(_TARGET, target) and (not separator or re.fullmatch(_TYPE, type_name))
        if not named or type_name in handlers:
            raise ValueError(
                "expected module:function (app.handler:handle), or type=module:function, one per type, "
                f"separated by commas; got {part!r}"
            )
        handlers[type_name] = target
    if not handlers:
        raise ValueError("expected module:function, such as app.handler:handle")
    return handlers


def _text(text: str) -> str:
    if not text:
        raise ValueError("must not be empty")
    return text


def _name(text: str) -> str:
    if not re.fullmatch(_NAME, text):
        raise ValueError("expected 3 to 128 letters, digits, underscores, dots or hyphens")
    return text


def _any_text(text: str) -> str:
    return text


def _number(kind: type[int] | type[float], low: float, high: float) -> Callable[[str], float]:
    def read(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            value = float("nan")
        if not low <= value <= high:
            noun = "whole number" if kind is int else "number"
            raise ValueError(f"expected a {noun} from {low:g} to {high:g}")
        return value

    return read


def _one_of(*choices: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in choices:
            raise ValueError(f"expected one of {', '.join(choices)}")
        return text

    return read


def _schedule(text: str) -> tuple[float, ...]:
    try:
        schedule = tuple(float(part) for part in text.split(",") if part.strip())
    except ValueError:
        schedule = (-1.0,)
    if not all(0 <= seconds <= 30 * 86_400 for seconds in schedule):
        raise ValueError("expected seconds separated by commas, each from 0 to 30 days, such as 5,60,300")
    return schedule


def _pairs(text: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, separator, value = part.partition("=")
        if not separator or not name.strip():
            raise ValueError(f"expected name=value separated by commas; got {part!r}")
        pairs[name.strip()] = value.strip()
    return pairs


_READERS: Final[Mapping[str, Callable[[str], Any]]] = {
    "handler": parse_handlers,
    "table": _name,
    "journal": _name,
    "stream": _name,
    "application": _name,
    "execution": _one_of("auto", "inline"),
    "concurrency": _number(int, 1, 1024),
    "handler_timeout_seconds": _number(float, 0.1, 3600),
    "handler_tries": _number(int, 1, 10),
    "retry_schedule_seconds": _schedule,
    "ttl_seconds": _number(int, 0, 10 * 365 * 86_400),
    "result_max_bytes": _number(int, 0, 16_384),
    "fresh_seconds": _number(float, 0, 60),
    "step_lease_seconds": _number(float, 1, 900),
    "sweep_interval_seconds": _number(float, 0.1, 3600),
    "sweep_grace_seconds": _number(float, 0.1, 86_400),
    "lost_handlers_max": _number(int, 1, 1024),
    "unreachable_limit_seconds": _number(float, 1, 86_400),
    "shutdown_grace_seconds": _number(float, 0, 120),
    "kcl_properties": _pairs,
    "kcl_jars": _any_text,
    "state_dir": _any_text,
    "log_level": _one_of("DEBUG", "INFO", "WARNING", "ERROR"),
}
