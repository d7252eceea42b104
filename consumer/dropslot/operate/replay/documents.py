"""What the Lambda consumer's failure destination keeps as a replay's source: its documents, wherever they lie.

https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html
"""

from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
from botocore.exceptions import BotoCoreError, ClientError

from dropslot.core.errors import ConfigurationError
from dropslot.operate.errors import OutOfReachError
from dropslot.operate.replay.source import Record
from dropslot.operate.target import Target
from dropslot.operate.trouble import explain

S3: Final = "s3://"


class _Kinesis(msgspec.Struct):
    sequenceNumber: str  # noqa: N815 - AWS's own spelling, here and below
    data: bytes  # msgspec decodes base64
    approximateArrivalTimestamp: float  # noqa: N815


class _EventRecord(msgspec.Struct):
    kinesis: _Kinesis


class _Event(msgspec.Struct):
    Records: list[_EventRecord]


class _Document(msgspec.Struct):
    payload: str


_document: Final = msgspec.json.Decoder(_Document)
_event: Final = msgspec.json.Decoder(_Event)


class DocumentSource:
    """Reads documents, each of them a lane; see `Source`.

    Args:
        place: a file, a folder, or ``s3://bucket/prefix``.
        target: whose S3 is asked.
        say: tells the operator what they should know.
    """

    def __init__(self, place: str, target: Target, *, say: Callable[[str], None]) -> None:
        self._place = place
        self._target = target
        self._say = say
        #: Documents that aren't of a failure destination.
        self.unreadable: set[str] = set()

    def lanes(self) -> Sequence[str]:
        """See `Source.lanes`; their names begin with mapping and shard, and end with the time."""
        lanes = self._objects() if self._place.startswith(S3) else self._files()
        if not lanes:
            raise ConfigurationError(f"there is no document at {self._place}")
        return lanes

    async def pages(self, lane: str, *, after: str | None) -> AsyncIterator[Sequence[Record]]:
        """See `Source.pages`; a document is one page."""
        try:
            event = _event.decode(_document.decode(self._read(lane)).payload)
        except (msgspec.DecodeError, UnicodeDecodeError):
            # SQS and SNS get documents without the records themselves, too.
            if lane not in self.unreadable:
                self._say(f"{lane} is no document of an S3 failure destination, left out")
            self.unreadable.add(lane)
            return
        records = [
            Record(
                sequence_number=one.kinesis.sequenceNumber,
                arrived_epoch_ms=round(one.kinesis.approximateArrivalTimestamp * 1000),
                data=one.kinesis.data,
            )
            for one in event.Records
        ]
        yield [one for one in records if after is None or int(one.sequence_number) > int(after)]

    def _files(self) -> Sequence[str]:
        place = Path(self._place)
        if place.is_file():
            return [str(place)]
        # Dotted files are drafts.
        return sorted(str(file) for file in place.rglob("*") if file.is_file() and not file.name.startswith("."))

    def _objects(self) -> Sequence[str]:
        bucket, _, prefix = self._place.removeprefix(S3).partition("/")
        try:
            pages = self._s3().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
            return [f"{S3}{bucket}/{one['Key']}" for page in pages for one in page.get("Contents", [])]
        except (ClientError, BotoCoreError) as error:
            raise explain(error, service="S3", where=f"bucket {bucket}") from error

    def _read(self, lane: str) -> bytes:
        try:
            if not lane.startswith(S3):
                return Path(lane).read_bytes()
            bucket, _, key = lane.removeprefix(S3).partition("/")
            body: bytes = self._s3().get_object(Bucket=bucket, Key=key)["Body"].read()
        except OSError as error:
            raise OutOfReachError(f"{lane} can't be read: {error}") from error
        except (ClientError, BotoCoreError) as error:
            raise explain(error, service="S3", where=lane) from error
        return body

    def _s3(self) -> Any:
        if self._target.running is not None:
            raise ConfigurationError(f"{self._place} goes with AWS; the local stack keeps its documents in a folder")
        return self._target.client("s3")
