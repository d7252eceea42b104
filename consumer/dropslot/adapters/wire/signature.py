"""AWS Signature Version 4 for a call of a JSON service: POST, no query.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

import hashlib
import hmac
import time
from collections.abc import Mapping
from typing import Final

import msgspec

_ALGORITHM: Final = "AWS4-HMAC-SHA256"


class Credentials(msgspec.Struct, frozen=True, kw_only=True):
    """Who calls.

    Args:
        access_key: id of the key.
        secret_key: the key.
        token: of temporary credentials; "" without one.
    """

    access_key: str
    secret_key: str
    token: str = ""

    def __repr__(self) -> str:
        """Show the id alone: a representation ends up in logs."""
        return f"Credentials({self.access_key})"


def signed_headers(
    body: bytes,
    headers: Mapping[str, str],
    *,
    canonical_path: str = "/",
    service: str,
    region: str,
    credentials: Credentials,
    now_epoch_seconds: float,
) -> dict[str, str]:
    """Return the headers of a call with its signature.

    Args:
        body: what is sent.
        headers: what is signed, names in lower case; `host` among them.
        canonical_path: where to, percent-encoded as it is sent and then once more, as every service but S3 has it.
            Encoding is left to the caller: loading what does it costs a cold start 2 ms, and the root needs none.
        service: as signatures call it, such as ``dynamodb``.
        region: where.
        credentials: who calls.
        now_epoch_seconds: the server refuses a time that is minutes off.
    """
    moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now_epoch_seconds))
    signed = {**headers, "x-amz-date": moment}
    if credentials.token:
        signed["x-amz-security-token"] = credentials.token
    names = sorted(signed)
    request = "\n".join(
        (
            "POST",
            canonical_path,
            "",
            *(f"{name}:{signed[name].strip()}" for name in names),
            "",
            ";".join(names),
            hashlib.sha256(body).hexdigest(),
        )
    )
    scope = f"{moment[:8]}/{region}/{service}/aws4_request"
    text = "\n".join((_ALGORITHM, moment, scope, hashlib.sha256(request.encode()).hexdigest()))
    key = f"AWS4{credentials.secret_key}".encode()
    for part in scope.split("/"):
        key = _hmac(key, part)
    signed["authorization"] = (
        f"{_ALGORITHM} Credential={credentials.access_key}/{scope}, "
        f"SignedHeaders={';'.join(names)}, Signature={_hmac(key, text).hex()}"
    )
    return signed


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")
