"""What the change record of a deletion tells of the request that went."""

from typing import Annotated, Final

import msgspec

#: Who deletes what has expired (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/time-to-live-ttl-streams.html).
_TIME_TO_LIVE: Final = "dynamodb.amazonaws.com"


class Removal(msgspec.Struct, frozen=True, kw_only=True):
    """A deletion.

    Args:
        id: key of the item.
        accepted_at: epoch milliseconds, the request's generation.
        attempt: its last one.
        type: the configured type it came in by.
        by_hand: somebody deleted it; it didn't expire.
    """

    id: str
    accepted_at: int
    attempt: int
    type: str
    by_hand: bool


class _S(msgspec.Struct, frozen=True):
    S: str


class _N(msgspec.Struct):
    N: Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,18}$")]


class _OldImage(msgspec.Struct):
    id: _S
    request: _S
    accepted_at: _N
    attempt: _N
    type: _S = _S("")


class _Dynamodb(msgspec.Struct):
    OldImage: _OldImage


class _Identity(msgspec.Struct):
    principalId: str = ""  # noqa: N815 - DynamoDB's own spelling


class _Record(msgspec.Struct):
    dynamodb: _Dynamodb
    userIdentity: _Identity | None = None  # noqa: N815 - as above


_record: Final = msgspec.json.Decoder(_Record)


def removal(data: bytes) -> Removal | None:
    """Read the payload of a REMOVE; None if its image tells no request."""
    try:
        record = _record.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    image = record.dynamodb.OldImage
    return Removal(
        id=image.id.S,
        accepted_at=int(image.accepted_at.N),
        attempt=int(image.attempt.N),
        type=image.type.S,
        by_hand=record.userIdentity is None or record.userIdentity.principalId != _TIME_TO_LIVE,
    )
