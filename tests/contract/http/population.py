"""The callers that a local gateway knows in a test, with secrets of their own each time."""

import secrets
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from botocore.credentials import ReadOnlyCredentials

from dropslot.local.clients import REGION
from dropslot.local.gateway.callers import ApiKey, Callers, RoleSession
from tests.contract.http.callers import Signed


def _session(role: str, name: str) -> RoleSession:
    return RoleSession(
        access_key=f"ASIA{secrets.token_hex(8).upper()}",
        secret_key=secrets.token_urlsafe(30),
        role=role,
        role_id=f"AROA{role.upper()}",
        name=name,
    )


def _key(key_id: str) -> ApiKey:
    return ApiKey(id=key_id, value=secrets.token_urlsafe(30))


@dataclass(frozen=True, slots=True, kw_only=True)
class Population:
    """Who may call.

    Args:
        mine: a session of a role.
        again: another session of the same role, as after a deployment.
        theirs: a session of another role, under the first one's name.
        my_key: an API key.
        their_key: another one.
    """

    mine: RoleSession = field(default_factory=lambda: _session("shop", "i-0123"))
    again: RoleSession = field(default_factory=lambda: _session("shop", "i-9876"))
    theirs: RoleSession = field(default_factory=lambda: _session("partner", "i-0123"))
    my_key: ApiKey = field(default_factory=lambda: _key("a1b2c3"))
    their_key: ApiKey = field(default_factory=lambda: _key("d4e5f6"))

    def write(self, folder: Path) -> Path:
        """Write the file that tells a gateway of them."""
        callers = Callers(role_sessions=(self.mine, self.again, self.theirs), api_keys=(self.my_key, self.their_key))
        lines = []
        for table, entries in msgspec.to_builtins(callers).items():
            for entry in entries:
                lines += [f"[[{table}]]", *(f'{name} = "{value}"' for name, value in entry.items())]
        path = folder / "callers.toml"
        path.write_text("\n".join(lines))
        return path


def signed_by(session: RoleSession, *, region: str = REGION) -> Signed:
    """Return what signs calls for a session."""
    return Signed(lambda: ReadOnlyCredentials(session.access_key, session.secret_key, None), region)
