"""The relay's work, one step at a time: read changes, build records, apply faults, put, remember."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from dropslot.core import names
from dropslot.core.feedback import CONNECTION
from dropslot.local.relay import state as states
from dropslot.local.relay.expiry import Expiry
from dropslot.local.relay.faults import Faults, change_name
from dropslot.local.relay.outbox import Outbox, Outgoing
from dropslot.local.relay.record import change_record, creation_time_us, partition_key, too_large
from dropslot.local.relay.sink import KinesisSink, batches
from dropslot.local.relay.source import Change, ChangeSource

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodbstreams import DynamoDBStreamsClient
    from mypy_boto3_kinesis import KinesisClient

_SAVE_IDLE_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CarrierOptions:
    """What the relay carries and how.

    Args:
        table: name of the table.
        stream: name of the Kinesis stream.
        region: AWS region that records name.
        state: file that takes the relay's state.
        faults: what it does wrong on purpose.
        expire_every_seconds: pause between two passes that delete expired items.
        journal: name of the table of finished steps, whose expired rows go too; None without one.
        connections: name of the table of connections; the same.
    """

    table: str
    stream: str
    region: str
    state: Path
    faults: Faults
    expire_every_seconds: float
    journal: str | None = None
    connections: str | None = None


class Carrier:
    """Carries changes into the stream; every change at least once, unless a fault skips it or it is too large.

    Args:
        dynamodb: client for the table.
        streams: client for its change stream.
        kinesis: client for the stream.
        options: see there.
        stop: set when the relay is to end.
        log: takes an event name and fields.
        epoch_ns: the clock that records are dated by.
    """

    def __init__(
        self,
        dynamodb: "DynamoDBClient",
        streams: "DynamoDBStreamsClient",
        kinesis: "KinesisClient",
        options: CarrierOptions,
        *,
        stop: threading.Event,
        log: Callable[..., None],
        epoch_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._options = options
        self._log = log
        self._epoch_ns = epoch_ns
        stream_arn = dynamodb.describe_table(TableName=options.table)["Table"]["LatestStreamArn"]
        self.state = states.load(options.state, stream_arn)
        self._source = ChangeSource(streams, stream_arn, self.state.positions)
        self._sink = KinesisSink(kinesis, options.stream, stop, self._on_retry)
        self._outbox = Outbox()
        self._expiry = Expiry(
            dynamodb,
            options.table,
            every_seconds=options.expire_every_seconds,
            on_deleting=self._on_deleting,
            on_kept=self.state.expiring.discard,
        )
        # Of tables without a stream: nobody tells their deletions apart.
        self._other_expiries = [
            Expiry(dynamodb, table, key=(names.ID, sort_key), every_seconds=options.expire_every_seconds)
            for table, sort_key in ((options.journal, names.RUN), (options.connections, CONNECTION))
            if table is not None
        ]
        self._saved_at = float("-inf")

    def step(self, now: float) -> bool:
        """Do everything that is due.

        Args:
            now: seconds of any steady clock.

        Returns:
            Whether there was anything to do: if not, a pause costs no time.

        Raises:
            botocore.exceptions.BotoCoreError: DynamoDB couldn't be reached; step again later.
            botocore.exceptions.ClientError: DynamoDB refused; step again later.
            SinkStoppedError: asked to end while Kinesis still refuses records.
        """
        moved = False
        for changes in self._source.read():
            self._take(changes, now)
            moved = self._put(self._outbox.take_due(now)) or True
        moved = self._put(self._outbox.take_due(now)) or moved
        expired = self._expiry.step(now, self._epoch_ns() // 1_000_000_000)
        self.state.counters["expired"] += expired
        for other in self._other_expiries:
            other.step(now, self._epoch_ns() // 1_000_000_000)
        if moved or expired or now - self._saved_at >= _SAVE_IDLE_SECONDS:
            self.save()
            self._saved_at = now
        return moved

    def save(self) -> None:
        """Write the state, so that the next run goes on here."""
        self.state.positions |= self._outbox.positions()
        states.save(self._options.state, self.state)

    def _take(self, changes: Sequence[Change], now: float) -> None:
        counters = self.state.counters
        for change in changes:
            self._outbox.note_read(change.shard_id, change.sequence_number)
            self.state.count_statuses(change.shard_id, change.event)
            record = self._outgoing(change)
            fate = self._options.faults.fate(change_name(change.event, record.partition_key))
            counters["read"] += 1
            if too_large(record.data, record.partition_key):
                counters["oversized"] += 1
                self._log("record_oversized", sequence_number=change.sequence_number, size_bytes=len(record.data))
            elif fate.skip:
                counters["skipped"] += 1
            else:
                counters["delayed"] += fate.hold_seconds > 0
                counters["reordered"] += fate.swap
                self._outbox.add(record, fate, now)
                if fate.copy_after_seconds is not None:
                    counters["duplicated"] += 1
                    self._outbox.add_copy(record.copy(), now + fate.hold_seconds + fate.copy_after_seconds)
                continue
            self._outbox.resolve(change.shard_id, change.sequence_number)

    def _outgoing(self, change: Change) -> Outgoing:
        event = change.event
        body = event["dynamodb"]
        rounded_us = int(body["ApproximateCreationDateTime"].timestamp()) * 1_000_000
        return Outgoing(
            shard_id=change.shard_id,
            sequence_number=change.sequence_number,
            partition_key=partition_key(body["Keys"]),
            data=change_record(
                event,
                table=self._options.table,
                region=self._options.region,
                created_epoch_us=creation_time_us(rounded_us, self._epoch_ns() // 1000),
                expired=self._is_expiry(change),
            ),
        )

    def _is_expiry(self, change: Change) -> bool:
        event = change.event
        if event["eventName"] != "REMOVE":
            return False
        request_id = event["dynamodb"]["Keys"][names.ID].get("S")
        ours = request_id in self.state.expiring and names.TTL in event["dynamodb"].get("OldImage", {})
        self.state.expiring.discard(request_id)
        return ours

    def _put(self, records: Sequence[Outgoing]) -> bool:
        for batch in batches(records):
            self._sink.put(batch)
            for record in batch:
                if not record.is_copy:
                    self.state.counters["relayed"] += 1
                    self._outbox.resolve(record.shard_id, record.sequence_number)
        return bool(records)

    def _on_deleting(self, ids: list[str]) -> None:
        self.state.expiring.update(ids)
        # Before the deletion: after a kill in between, the next run must still know whose deletion it was.
        self.save()

    def _on_retry(self, count: int, reason: str) -> None:
        self.state.counters["retried"] += count
        self._log("put_retried", records=count, reason=reason)
