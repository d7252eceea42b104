"""What the functions of feedback are told by variables; the deployment sets them, nobody chooses them."""

import re
from collections.abc import Mapping
from typing import Final, Self, get_args

import msgspec

from dropslot.core.errors import ConfigurationError
from dropslot.runtimes.lambda_.caller import Auth

_TABLE: Final = re.compile(r"[A-Za-z0-9_.-]{3,255}")
_URL: Final = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[A-Za-z0-9._~/-]*)?")
_ORIGIN: Final = re.compile(r"|\*|https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?")
_LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR")


class FeedbackSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of a function of feedback.

    Args:
        table: name of the table of requests.
        connections: name of the table of connections.
        callback_url: the API's stage, where connections are reached.
        region: AWS region of all of them.
        log_level: level of the log lines.
        auth: how who connects proves who it is; only the function behind the API asks.
        cors_origin: the origin whose pages may connect, or ``*``; "" for none; as with auth.
    """

    table: str
    connections: str
    callback_url: str
    region: str
    log_level: str
    auth: Auth = "none"
    cors_origin: str = ""

    @classmethod
    def for_notify(cls, environment: Mapping[str, str]) -> Self:
        """Read and check the settings of the function behind the stream.

        Raises:
            ConfigurationError: with one sentence for each fault.
        """
        return cls._from_env(environment, auth="none", cors_origin="")

    @classmethod
    def for_socket(cls, environment: Mapping[str, str]) -> Self:
        """Read and check the settings of the function behind the API.

        Raises:
            ConfigurationError: with one sentence for each fault.
        """
        return cls._from_env(
            environment,
            auth=environment.get("DROPSLOT_AUTH", ""),
            cors_origin=environment.get("DROPSLOT_CORS_ORIGIN", ""),
        )

    @classmethod
    def _from_env(cls, environment: Mapping[str, str], *, auth: str, cors_origin: str) -> Self:
        table = environment.get("DROPSLOT_TABLE", "")
        connections = environment.get("DROPSLOT_CONNECTIONS", "")
        callback_url = environment.get("DROPSLOT_CALLBACK_URL", "").rstrip("/")
        log_level = environment.get("DROPSLOT_LOG_LEVEL", "INFO")
        known_auth = next((known for known in get_args(Auth) if known == auth), None)
        checks = (
            ("DROPSLOT_TABLE", table, _TABLE.fullmatch(table), "the name of the table of requests"),
            (
                "DROPSLOT_CONNECTIONS",
                connections,
                _TABLE.fullmatch(connections),
                "the name of the table of connections",
            ),
            (
                "DROPSLOT_CALLBACK_URL",
                callback_url,
                _URL.fullmatch(callback_url),
                "the https:// URL of the WebSocket API's stage",
            ),
            ("DROPSLOT_AUTH", auth, known_auth, f"one of {', '.join(get_args(Auth))}"),
            (
                "DROPSLOT_CORS_ORIGIN",
                cors_origin,
                _ORIGIN.fullmatch(cors_origin),
                "an origin such as https://shop.example, or *, or nothing",
            ),
            ("DROPSLOT_LOG_LEVEL", log_level, log_level in _LEVELS, f"one of {', '.join(_LEVELS)}"),
        )
        faults = [f"{name}={value!r}: expected {right}" for name, value, fine, right in checks if not fine]
        if known_auth is None or faults:
            raise ConfigurationError(*faults)
        return cls(
            table=table,
            connections=connections,
            callback_url=callback_url,
            region=environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION") or "us-east-1",
            log_level=log_level,
            auth=known_auth,
            cors_origin=cors_origin,
        )
