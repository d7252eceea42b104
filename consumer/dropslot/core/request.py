"""The request as a handler sees it."""

import base64
import binascii
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Self

import msgspec

from dropslot.core import names
from dropslot.core.errors import Reject
from dropslot.core.item import Accepted


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One accepted request.

    Args:
        id: unique for ever and the same on every attempt: use it as idempotency key downstream.
        type: the configured type it came in by.
        body: exactly what the client sent: text, or bytes for the configured binary types.
        content_type: as the client sent it.
        headers: the kept headers; look them up as they are spelled in the configuration.
        accepted_at: when the API took it, in UTC.
        attempt: 0 for the first, +1 each time it was run again after it had to wait or was redriven.
    """

    id: str
    type: str
    body: str | bytes
    content_type: str
    headers: Mapping[str, str]
    accepted_at: datetime
    attempt: int

    def json(self) -> Any:
        """Return the body, decoded from JSON.

        Raises:
            Reject: the body is no JSON: no later attempt could read it either.
        """
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            raise Reject("the body is not valid JSON") from None

    @classmethod
    def from_accepted(cls, accepted: Accepted, attempt: int) -> Self:
        """Build the request of one attempt.

        Raises:
            Reject: the stored body claims to be base64 and is not: nobody wrote it through the API.
        """
        body: str | bytes = accepted.body
        if accepted.encoding == names.BASE64:
            try:
                body = base64.b64decode(accepted.body, validate=True)
            except (binascii.Error, ValueError):
                raise Reject("the stored body is marked base64 and is not") from None
        return cls(
            id=accepted.id,
            type=accepted.type,
            body=body,
            content_type=accepted.content_type,
            headers=dict(accepted.headers),  # a handler may change its own
            accepted_at=datetime.fromtimestamp(accepted.accepted_at / 1000, UTC),
            attempt=attempt,
        )
