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
_QUERY_PARTS: Final = tuple(f"X-Amz-{part}" for part in ("Algorithm", "Credential", "Date", "Expires", "SignedHeaders"))
_QUERY_SIGNATURE: Final = "X-Amz-Signature"
#: The longest that a presigned URL may hold.
_EXPIRES_MAX_SECONDS: Final = 7 * 24 * 3600
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
    """What an `Authorization` header says, or the query of a presigned URL.

    Args:
        access_key: who claims to have signed.
        date, region, service: what the signature is for.
        signed_headers: names of the headers it covers, in lower case.
        value: the signature itself, in hex.
        timestamp: when it was made, from the request's own header.
        expires_seconds: how long a presigned URL holds; None for a header.
    """

    access_key: str
    date: str
    region: str
    service: str
    signed_headers: tuple[str, ...]
    value: str
    timestamp: str
    expires_seconds: int | None = None

    @classmethod
    def present(cls, incoming: Incoming) -> bool:
        """Tell whether a request claims to be signed at all."""
        return incoming.header("authorization") is not None or _QUERY_SIGNATURE in incoming.query

    @classmethod
    def read(cls, incoming: Incoming) -> Self:
        """Read the signature of a request that claims to be signed.

        Raises:
            SignatureError: there is none in it, or a part of it is missing.
        """
        if incoming.header("authorization") is None:
            return cls._read_query(incoming.query)
        scheme, _, rest = (incoming.header("authorization") or "").strip().partition(" ")
        parts = dict(part.strip().partition("=")[::2] for part in rest.split(",")) if scheme == _ALGORITHM else {}
        missing = [f"Authorization header requires '{name}' parameter." for name in _PARTS if not parts.get(name)]
        if missing:
            raise SignatureError(" ".join(missing))
        timestamp = incoming.header("x-amz-date")
        if timestamp is None:
            raise SignatureError("Authorization header requires existence of an 'X-Amz-Date' header.")
        return cls._of(parts["Credential"], parts["SignedHeaders"], parts["Signature"], timestamp)

    @classmethod
    def _read_query(cls, query: Mapping[str, str]) -> Self:
        """Read a presigned URL: a page can give its WebSocket no headers.

        https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-signing-elements.html
        """
        missing = [
            f"AWS query-string parameters must include '{name}'." for name in _QUERY_PARTS if not query.get(name)
        ]
        if missing:
            raise SignatureError(" ".join(missing))
        algorithm, credential, timestamp, expires, signed_headers = (query[name] for name in _QUERY_PARTS)
        if algorithm != _ALGORITHM:
            raise SignatureError(f"X-Amz-Algorithm only supports '{_ALGORITHM}'.")
        if not expires.isdecimal() or not 1 <= int(expires) <= _EXPIRES_MAX_SECONDS:
            raise SignatureError(f"X-Amz-Expires must be a number of seconds from 1 to {_EXPIRES_MAX_SECONDS}.")
        return cls._of(credential, signed_headers, query[_QUERY_SIGNATURE], timestamp, expires_seconds=int(expires))

    @classmethod
    def _of(
        cls, credential: str, signed_headers: str, value: str, timestamp: str, *, expires_seconds: int | None = None
    ) -> Self:
        scope = _SCOPE.fullmatch(credential)
        if scope is None or scope["end"] != _TERMINATOR:
            raise SignatureError(f"Credential should be scoped with a valid terminator: '{_TERMINATOR}'.")
        return cls(
            access_key=scope["access_key"],
            date=scope["date"],
            region=scope["region"],
            service=scope["service"],
            signed_headers=tuple(signed_headers.lower().split(";")),
            value=value,
            timestamp=timestamp,
            expires_seconds=expires_seconds,
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
        lifetime, words = _TOLERANCE, "5 min."
        if self.expires_seconds is not None:
            lifetime, words = timedelta(seconds=self.expires_seconds), f"{self.expires_seconds} sec."
        earliest, latest = now - lifetime, now + _TOLERANCE
        if signed_at < earliest:
            raise SignatureError(
                f"Signature expired: {self.timestamp} is now earlier than {earliest:{SIGV4_TIMESTAMP}} "
                f"({now:{SIGV4_TIMESTAMP}} - {words})"
            )
        if signed_at > latest:
            raise SignatureError(
                f"Signature not yet current: {self.timestamp} is still later than {latest:{SIGV4_TIMESTAMP}} "
                f"({now:{SIGV4_TIMESTAMP}} + 5 min.)"
            )

    def _expected(self, incoming: Incoming, headers: Mapping[str, str], body: bytes, secret_key: str) -> str:
        # The signature can't cover itself.
        parameters = [each for each in incoming.raw_query.split("&") if not each.startswith(f"{_QUERY_SIGNATURE}=")]
        url = f"http://gateway{incoming.path}?{'&'.join(parameters)}"
        request = AWSRequest(method=incoming.method, url=url, headers=headers, data=body)
        request.context["timestamp"] = self.timestamp
        signer = _ClientsChoice(Credentials(self.access_key, secret_key), self.service, self.region)
        return signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)


class _ClientsChoice(SigV4Auth):
    """Signs just the headers it is given: the client chose them, and other signers leave out other ones."""

    def headers_to_sign(self, request: AWSRequest) -> HTTPMessage:
        return request.headers
