"""A shard that is handed change records; they name requests."""

import time

from dropslot.engine.stream_record import StreamRecord
from dropslot.runtimes.threaded import ThreadedShard

LIMIT_SECONDS = 60.0


class Records:
    """Hands records to a shard.

    Args:
        shard: the shard, which has had none.
    """

    def __init__(self, shard: ThreadedShard) -> None:
        self._shard = shard
        self._taken = 0

    def run(self, named: list[str], at_once: bool) -> None:  # noqa: FBT001 - as `serve` has it
        """Process records, as one batch or one by one."""
        records = []
        for number, record in enumerate(named, self._taken + 1):
            records.append(
                StreamRecord(sequence_number=str(number), data=record.encode(), arrived_epoch_seconds=time.time())
            )
        self._taken += len(named)
        for batch in [records] if at_once else [[record] for record in records]:
            self._shard.submit(batch, tick=_nothing)
            assert self._shard.drain(LIMIT_SECONDS, tick=_nothing)
        assert self._shard.checkpoint == str(self._taken)


def _nothing() -> None:
    pass
