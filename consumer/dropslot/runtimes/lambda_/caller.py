"""Who is on a connection: the same prefix of ids as `api/caller.vtl` makes of who calls the HTTP API."""

from typing import Literal, TypeAlias
from urllib.parse import quote_plus

import msgspec

from dropslot.core.names import NO_CALLER

#: How a caller proves who it is; as the deployment's `auth`, without those that WebSocket APIs don't have.
Auth: TypeAlias = Literal["iam", "api_key", "none"]


class Identity(msgspec.Struct, frozen=True, rename="camel"):
    """What API Gateway says of a caller, as far as we ask.

    Args:
        api_key_id: id of the API key.
        cognito_identity_id: of somebody with credentials of an identity pool.
        caller: of somebody else who signs; for a role its unique id and, after a colon, the session's name.
    """

    api_key_id: str | None = None
    cognito_identity_id: str | None = None
    caller: str | None = None


def caller_of(identity: Identity, auth: Auth) -> str | None:
    """Return the prefix of the caller's ids; None when it can't be told who it is."""
    if auth == "none":
        return NO_CALLER
    if auth == "api_key":
        name = identity.api_key_id
    else:
        name = identity.cognito_identity_id or (identity.caller or "").partition(":")[0]
    # As java.net.URLEncoder does it.
    return quote_plus(name, safe="*").replace("~", "%7E") if name else None
