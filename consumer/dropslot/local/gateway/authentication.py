"""Finds out who calls, as an operation asks for it."""

import hmac
from typing import Final

from dropslot.local.gateway.callers import Callers
from dropslot.local.gateway.gateway_responses import GatewayError
from dropslot.local.gateway.incoming import Incoming
from dropslot.local.gateway.security import Proof
from dropslot.local.gateway.signature import Signature, SignatureError

#: What AWS says of an access key that it doesn't know
#: (https://repost.aws/knowledge-center/api-gateway-iam-sigv4-mismatch).
_UNKNOWN: Final = "The security token included in the request is invalid."


class RefusedError(Exception):
    """A caller proved nothing.

    Args:
        error: the kind of answer.
        message: AWS's own for this case; without one the kind's.
    """

    def __init__(self, error: GatewayError, message: str | None = None) -> None:
        self.error = error
        self.message = message if message is not None else error.value[1]
        super().__init__(self.message)


class Authentication:
    """Finds out who calls.

    Args:
        callers: those who may.
    """

    def __init__(self, callers: Callers) -> None:
        self._callers = callers

    def identify(self, proof: Proof, incoming: Incoming, *, region: str, now_ms: int) -> dict[str, str]:
        """Return what `$context.identity` says of the caller.

        Args:
            proof: what the operation asks for.
            incoming: the request.
            region: of the API.
            now_ms: the time in milliseconds since 1970.

        Raises:
            RefusedError: the proof is missing or wrong.
        """
        if proof is Proof.API_KEY:
            return self._by_key(incoming)
        return self._by_signature(incoming, region, now_ms)

    def _by_key(self, incoming: Incoming) -> dict[str, str]:
        given = (incoming.header(Proof.API_KEY.value) or "").encode()
        for key in self._callers.api_keys:
            if hmac.compare_digest(key.value.encode(), given):
                return key.identity
        raise RefusedError(GatewayError.INVALID_API_KEY)

    def _by_signature(self, incoming: Incoming, region: str, now_ms: int) -> dict[str, str]:
        if not Signature.present(incoming):
            raise RefusedError(GatewayError.MISSING_AUTHENTICATION_TOKEN)
        try:
            signature = Signature.read(incoming)
            session = self._callers.session_of(signature.access_key)
            if session is None:
                raise RefusedError(GatewayError.INVALID_SIGNATURE, _UNKNOWN)
            signature.verify(incoming, secret_key=session.secret_key, region=region, now_ms=now_ms)
        except SignatureError as error:
            raise RefusedError(GatewayError.INVALID_SIGNATURE, str(error)) from error
        return session.identity
