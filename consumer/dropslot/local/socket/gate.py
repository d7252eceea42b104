"""Lets callers in: handshakes as the API's auth asks, and calls of the management API by signature."""

import time
from collections.abc import Mapping
from typing import Final

from dropslot.core.errors import ConfigurationError
from dropslot.local.clients import ACCESS_KEY, SECRET_KEY
from dropslot.local.gateway.authentication import Authentication
from dropslot.local.gateway.callers import Callers, RoleSession
from dropslot.local.gateway.incoming import Incoming
from dropslot.local.gateway.security import Proof

NO_AUTH: Final = "none"
#: What a handshake has to prove, by the setting `auth`. WebSocket APIs can't ask for Cognito's tokens by themselves.
_PROOFS: Final[Mapping[str, Proof | None]] = {"iam": Proof.SIGNATURE, "api_key": Proof.API_KEY, NO_AUTH: None}
AUTHS: Final = tuple(_PROOFS)

#: Who the functions are: what runs locally signs with these credentials.
_FUNCTIONS: Final = RoleSession(
    access_key=ACCESS_KEY, secret_key=SECRET_KEY, role="dropslot-local", role_id="AROALOCAL", name="local"
)


class Gate:
    """Checks who calls.

    Args:
        auth: one of `AUTHS`.
        callers: those who may connect; any session of them, and the functions, may push.
        region: of the API.

    Raises:
        ConfigurationError: handshakes can't be checked so.
    """

    def __init__(self, auth: str, callers: Callers, *, region: str) -> None:
        if auth not in _PROOFS:
            raise ConfigurationError(f"auth {auth} can't be checked here: take one of {', '.join(AUTHS)}")
        self._proof = _PROOFS[auth]
        self._region = region
        self._clients = Authentication(callers)
        self._pushers = Authentication(Callers(role_sessions=(_FUNCTIONS, *callers.role_sessions)))

    def identify_client(self, incoming: Incoming) -> Mapping[str, str]:
        """Return what is known of who wants to connect, nothing where nobody is asked.

        Raises:
            RefusedError: the proof is missing or wrong.
        """
        if self._proof is None:
            return {}
        return self._clients.identify(self._proof, incoming, region=self._region, now_ms=_now_ms())

    def check_pusher(self, incoming: Incoming) -> None:
        """Do nothing if a call of the management API is signed by somebody who may.

        Raises:
            RefusedError: it isn't.
        """
        self._pushers.identify(Proof.SIGNATURE, incoming, region=self._region, now_ms=_now_ms())


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
