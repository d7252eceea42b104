"""Batches: within the service's limits, in order, one record a partition key."""

from hypothesis import given
from hypothesis import strategies as st

from dropslot.local.relay.outbox import Outgoing
from dropslot.local.relay.sink import BATCH_MAX_BYTES, BATCH_MAX_RECORDS, batches


def _outgoing(number: int, key: str, size_bytes: int = 2) -> Outgoing:
    return Outgoing(shard_id="shard", sequence_number=str(number), partition_key=key, data=b"x" * size_bytes)


@given(st.lists(st.sampled_from("abcde"), max_size=60))
def test_a_batch_never_has_two_records_of_a_key(keys: list[str]) -> None:
    """Given records of few keys, batches repeat none and together are the records in order."""
    records = [_outgoing(number, key) for number, key in enumerate(keys)]
    cut = list(batches(records))

    assert all(len({record.partition_key for record in batch}) == len(batch) for batch in cut)
    assert [record for batch in cut for record in batch] == records


def test_batches_are_limited_in_number_and_size() -> None:
    """Given many records, and large ones, no batch passes a limit, and none is empty."""
    many = list(batches(_outgoing(number, str(number)) for number in range(BATCH_MAX_RECORDS + 1)))
    large = list(batches(_outgoing(number, str(number), BATCH_MAX_BYTES // 2) for number in range(4)))

    assert [len(batch) for batch in many] == [BATCH_MAX_RECORDS, 1]
    assert [len(batch) for batch in large] == [1, 1, 1, 1]
