"""The failure destination: what was given up, in files laid out as the objects of an S3 bucket.

https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html
"""

import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from dropslot.local.mapping.environment import VERSION, FunctionSpec
from dropslot.local.mapping.event import event_of
from dropslot.local.mapping.verdict import Answer, Batch


class FailureFolder:
    """Keeps invocation records of given-up batches.

    Args:
        folder: stands for the bucket.
        mapping_id: UUID of the mapping, part of the names.
        function: what couldn't process them.
        stream_arn: where they came from.
    """

    def __init__(self, folder: Path, *, mapping_id: str, function: FunctionSpec, stream_arn: str) -> None:
        self._folder = folder
        self._mapping_id = mapping_id
        self._function = function
        self._stream_arn = stream_arn

    def keep(self, batch: Batch, *, shard_id: str, condition: str, answer: Answer | None, now: datetime) -> Path:
        """Write the record of one given-up batch.

        Args:
            batch: what was given up.
            shard_id: its shard.
            condition: why.
            answer: to the last invocation; None if there was none.
            now: the time, in UTC.

        Returns:
            The file.
        """
        file = self._folder.joinpath(
            *("aws", "lambda", self._mapping_id, shard_id),
            now.strftime("%Y/%m/%d"),
            f"{now:%Y-%m-%dT%H.%M.%S}-{uuid.uuid4()}",
        )
        file.parent.mkdir(parents=True, exist_ok=True)
        document = self._document(batch, shard_id=shard_id, condition=condition, answer=answer, now=now)
        draft = file.with_name(f".{file.name}")
        draft.write_bytes(msgspec.json.encode(document))
        draft.replace(file)
        return file

    def _document(
        self, batch: Batch, *, shard_id: str, condition: str, answer: Answer | None, now: datetime
    ) -> dict[str, Any]:
        first, last = batch.records[0], batch.records[-1]
        response = {
            "statusCode": 200,
            "executedVersion": VERSION,
            "functionError": "Unhandled" if answer is not None and answer.failed else None,
        }
        return {
            "requestContext": {
                "requestId": answer.request_id if answer is not None else str(uuid.uuid4()),
                "functionArn": self._function.arn,
                "condition": condition,
                "approximateInvokeCount": batch.invocations,
            },
            "responseContext": response if answer is not None else None,
            "version": "1.0",
            "timestamp": _timestamp(now),
            "KinesisBatchInfo": {
                "shardId": shard_id,
                "startSequenceNumber": first.sequence_number,
                "endSequenceNumber": last.sequence_number,
                "approximateArrivalOfFirstRecord": _arrived(first.arrived_epoch_seconds),
                "approximateArrivalOfLastRecord": _arrived(last.arrived_epoch_seconds),
                "batchSize": len(batch.records),
                "streamArn": self._stream_arn,
            },
            # Only an S3 destination gets the event itself, as a text.
            "payload": event_of(batch.records).decode(),
        }


def _arrived(epoch_seconds: float) -> str:
    return _timestamp(datetime.fromtimestamp(epoch_seconds, UTC))


def _timestamp(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
