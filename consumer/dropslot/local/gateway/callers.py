"""Who may call, and what templates are told about them."""

import tomllib
from collections import Counter
from pathlib import Path
from typing import Annotated, Final, Self

import msgspec

from dropslot.core.errors import ConfigurationError

#: An account number as AWS uses it in examples.
_ACCOUNT: Final = "123456789012"

_Text = Annotated[str, msgspec.Meta(min_length=1)]


class RoleSession(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Someone who has assumed an IAM role, such as one run of a task.

    Args:
        access_key: what names the session's credentials.
        secret_key: what it signs with.
        role: name of the role.
        role_id: unique id of the role, such as ``AROAEXAMPLE``; the same for all its sessions.
        name: of the session; another one after each deployment.
    """

    access_key: _Text
    secret_key: _Text
    role: _Text
    role_id: _Text
    name: _Text

    def __repr__(self) -> str:
        """Leave the secret out."""
        return f"RoleSession({self.role_id}:{self.name})"

    @property
    def identity(self) -> dict[str, str]:
        """What `$context.identity` says of it.

        https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-mapping-template-reference.html
        https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html (principal key values)
        """
        user = f"{self.role_id}:{self.name}"
        return {
            "accessKey": self.access_key,
            "accountId": _ACCOUNT,
            "caller": user,
            "user": user,
            "userArn": f"arn:aws:sts::{_ACCOUNT}:assumed-role/{self.role}/{self.name}",
        }


class ApiKey(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An API key.

    Args:
        id: what names it.
        value: what its caller sends.
    """

    id: _Text
    value: _Text

    def __repr__(self) -> str:
        """Leave the value out."""
        return f"ApiKey({self.id})"

    @property
    def identity(self) -> dict[str, str]:
        """What `$context.identity` says of its caller, from the same source as for a session."""
        return {"apiKey": self.value, "apiKeyId": self.id}


class Callers(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that may call operations that ask who calls. Each may call all of them."""

    role_sessions: tuple[RoleSession, ...] = ()
    api_keys: tuple[ApiKey, ...] = ()

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a TOML file with tables ``[[role_sessions]]`` and ``[[api_keys]]``.

        Raises:
            ConfigurationError: with what is wrong; never with a value, since some are secrets.
        """
        try:
            callers = msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), cls)
        except OSError as error:
            raise ConfigurationError(f"{path} can't be read: {error.strerror}") from error
        except tomllib.TOMLDecodeError as error:
            raise ConfigurationError(f"{path} is not valid TOML: {error}") from error
        except msgspec.ValidationError as error:
            raise ConfigurationError(f"{path}: {error}") from error
        for noun, values in (
            ("access_key", [session.access_key for session in callers.role_sessions]),
            ("API key id", [key.id for key in callers.api_keys]),
            ("API key value", [key.value for key in callers.api_keys]),
        ):
            if max(Counter(values).values(), default=0) > 1:
                raise ConfigurationError(f"{path}: two callers have the same {noun}; each needs its own")
        return callers

    def session_of(self, access_key: str) -> RoleSession | None:
        """Return the session with an access key."""
        return next((session for session in self.role_sessions if session.access_key == access_key), None)
