"""Puts records into the Kinesis stream: in batches, each item's in order, until all are in."""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError

from dropslot.local.relay.outbox import Outgoing

if TYPE_CHECKING:
    from mypy_boto3_kinesis import KinesisClient
    from mypy_boto3_kinesis.type_defs import PutRecordsRequestEntryTypeDef

# PutRecords takes 500 records and 5 MB (https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecords.html).
# Both are set much lower: kinesis-local spends most of a large call collecting garbage (400 records of 20 KB take it
# 2 s by the hundred, 1 s by 25), and answers nobody else meanwhile.
BATCH_MAX_RECORDS: Final = 200
BATCH_MAX_BYTES: Final = 512 * 1024
_BACKOFF_SECONDS: Final = (0.05, 0.1, 0.2, 0.5, 1.0)


class SinkStoppedError(Exception):
    """The relay was asked to end while records were still refused; they are read again next time."""


class KinesisSink:
    """Puts records.

    Args:
        client: of Kinesis.
        stream: name of the stream.
        stop: set when the relay is to end.
        on_retry: told how many records had to be put again.
    """

    def __init__(
        self, client: "KinesisClient", stream: str, stop: threading.Event, on_retry: Callable[[int, str], None]
    ) -> None:
        self._client = client
        self._stream = stream
        self._stop = stop
        self._on_retry = on_retry

    def put(self, batch: Sequence[Outgoing]) -> None:
        """Put one batch made by `batches`; returns once all of it is in.

        Raises:
            SinkStoppedError: the relay is to end and some aren't in.
        """
        left = list(batch)
        failures = 0
        while left:
            reason, left = self._put_once(left)
            if left:
                self._on_retry(len(left), reason)
                if self._stop.wait(_BACKOFF_SECONDS[min(failures, len(_BACKOFF_SECONDS) - 1)]):
                    raise SinkStoppedError
                failures += 1

    def _put_once(self, records: list[Outgoing]) -> tuple[str, list[Outgoing]]:
        entries: list[PutRecordsRequestEntryTypeDef] = [
            {"Data": record.data, "PartitionKey": record.partition_key} for record in records
        ]
        try:
            answer = self._client.put_records(StreamName=self._stream, Records=entries)
        except (BotoCoreError, ClientError) as error:
            return type(error).__name__, records
        refused = [
            (result["ErrorCode"], record)
            for record, result in zip(records, answer["Records"], strict=True)
            if result.get("ErrorCode")
        ]
        return (refused[0][0] if refused else ""), [record for _, record in refused]


def batches(records: Iterable[Outgoing]) -> Iterator[list[Outgoing]]:
    """Cut records into batches that one call takes, never two of one partition key in a batch.

    PutRecords may refuse any record of a batch and take the ones after it: with one record a key, putting the refused
    ones again before the next batch can't change the order of an item's records.
    """
    batch: list[Outgoing] = []
    keys: set[str] = set()
    size_bytes = 0
    for record in records:
        record_bytes = len(record.data) + len(record.partition_key)
        full = len(batch) == BATCH_MAX_RECORDS or size_bytes + record_bytes > BATCH_MAX_BYTES
        if batch and (full or record.partition_key in keys):
            yield batch
            batch, keys, size_bytes = [], set(), 0
        batch.append(record)
        keys.add(record.partition_key)
        size_bytes += record_bytes
    if batch:
        yield batch
