"""Checks a request's AWS Signature Version 4.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.client import HTTPMessage
from typing import Final, Self

from botocore.auth import SIGV4_TIMESTAMP, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from dropslot.local.gateway.incoming import Incoming

_ALGORITHM: Final = "AWS4-HMAC-SHA256"
_SERVICE: Final = "execute-api"
_TERMINATOR: Final = "aws4_request"
_SCOPE: Final = re.compile(r"(?P<access_key>[^/]+)/(?P<date>\d{8})/(?P<region>[^/]+)/(?P<service>[^/]+)/(?P<end>[^/]+)")
_PARTS: Final = ("Credential", "Signature", "SignedHeaders")
_PAYLOAD_HASH: Final = "x-amz-content-sha256"
_TOLERANCE: Final = timedelta(minutes=5)
_MISMATCH: Final = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key "
    "and signing method. Consult the service documentation for details."
)


class SignatureError(Exception):
    """A signature isn't good. The message is AWS's own, without what the client sent but for its dates.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/signature-v4-troubleshooting.html
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """What an `Authorization` header says.

    Args:
        access_key: who claims to have signed.
        date, region, service: what the signature is for.
        signed_headers: names of the headers it covers, in lower case.
        value: the signature itself, in hex.
        timestamp: when it was made, from the request's own header.
    """

    access_key: str
    date: str
    region: str
    service: str
    signed_headers: tuple[str, ...]
    value: str
    timestamp: str

    @classmethod
    def read(cls, incoming: Incoming) -> Self:
        """Read the signature of a request that has an `Authorization` header.

        Raises:
            SignatureError: there is none in it, or a part of it is missing.
        """
        scheme, _, rest = (incoming.header("authorization") or "").strip().partition(" ")
        parts = dict(part.strip().partition("=")[::2] for part in rest.split(",")) if scheme == _ALGORITHM else {}
        missing = [f"Authorization header requires '{name}' parameter." for name in _PARTS if not parts.get(name)]
        if missing:
            raise SignatureError(" ".join(missing))
        scope = _SCOPE.fullmatch(parts["Credential"])
        if scope is None or scope["end"] != _TERMINATOR:
            raise SignatureError(f"Credential should be scoped with a valid terminator: '{_TERMINATOR}'.")
        timestamp = incoming.header("x-amz-date")
        if timestamp is None:
            raise SignatureError("Authorization header requires existence of an 'X-Amz-Date' header.")
        return cls(
            access_key=scope["access_key"],
            date=scope["date"],
            region=scope["region"],
            service=scope["service"],
            signed_headers=tuple(parts["SignedHeaders"].lower().split(";")),
            value=parts["Signature"],
            timestamp=timestamp,
        )

    def verify(self, incoming: Incoming, *, secret_key: str, region: str, now_ms: int) -> None:
        """Compare with the signature that the secret gives for what came in.

        Args:
            incoming: the request, with a body.
            secret_key: of the one who claims to have signed.
            region: of the API.
            now_ms: the time in milliseconds since 1970.

        Raises:
            SignatureError: it is for another time or another place, or differs.
        """
        self._check_time(datetime.fromtimestamp(now_ms / 1000, UTC))
        if self.region != region:
            raise SignatureError(f"Credential should be scoped to a valid region, '{region}'.")
        if self.service != _SERVICE:
            raise SignatureError(f"Credential should be scoped to correct service: '{_SERVICE}'.")
        if "host" not in self.signed_headers:
            raise SignatureError("'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.")
        headers = {name: incoming.header(name) or "" for name in self.signed_headers}
        body = incoming.body or b""
        # The signer takes the hash that the client sends for the body's own, so it must be that.
        if _PAYLOAD_HASH in headers and headers[_PAYLOAD_HASH] != hashlib.sha256(body).hexdigest():
            raise SignatureError(_MISMATCH)
        if not hmac.compare_digest(self.value.encode(), self._expected(incoming, headers, body, secret_key).encode()):
            raise SignatureError(_MISMATCH)

    def _check_time(self, now: datetime) -> None:
        try:
            signed_at = datetime.strptime(self.timestamp, SIGV4_TIMESTAMP).replace(tzinfo=UTC)
        except ValueError:
            raise SignatureError("Date must be in ISO-8601 'basic format'.") from None
        if self.timestamp[:8] != self.date:
            raise SignatureError(
                "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP."
            )
        earliest, latest = now - _TOLERANCE, now + _TOLERANCE
        if signed_at < earliest:
            raise SignatureError(
                f"Signature expired: {self.timestamp} is now earlier than {earliest:{SIGV4_TIMESTAMP}} "
                f"({now:{SIGV4_TIMESTAMP}} - 5 min.)"
            )
        if signed_at > latest:
            raise SignatureError(
                f"Signature not yet current: {self.timestamp} is still later than {latest:{SIGV4_TIMESTAMP}} "
                f"({now:{SIGV4_TIMESTAMP}} + 5 min.)"
            )

    def _expected(self, incoming: Incoming, headers: Mapping[str, str], body: bytes, secret_key: str) -> str:
        query = f"?{incoming.raw_query}" if incoming.raw_query else ""
        request = AWSRequest(
            method=incoming.method, url=f"http://gateway{incoming.path}{query}", headers=headers, data=body
        )
        request.context["timestamp"] = self.timestamp
        signer = _ClientsChoice(Credentials(self.access_key, secret_key), self.service, self.region)
        return signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)


class _ClientsChoice(SigV4Auth):
    """Signs just the headers it is given: the client chose them, and other signers leave out other ones."""

    def headers_to_sign(self, request: AWSRequest) -> HTTPMessage:
        return request.headers
