"""What follows from a function's answer to a batch: which records are delivered again, and which are given up.

https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-batchfailurereporting.html
https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html
"""

from dataclasses import dataclass
from typing import Annotated, Any, Final

import msgspec

from dropslot.local.mapping.event import ShardRecord

RETRIES_EXHAUSTED: Final = "RetryAttemptsExhausted"
TOO_OLD: Final = "RecordAgeExceeded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Records that are delivered together.

    Args:
        records: at least one, in the order of their shard.
        retries: how many of the allowed retries these records have used up.
        invocations: how often they have been delivered, also with others.
    """

    records: tuple[ShardRecord, ...]
    retries: int = 0
    invocations: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of one invocation.

    Args:
        request_id: of the invocation.
        failed: the function raised, timed out or ended its process: Lambda's "function error".
        value: what the function returned; a message if it failed.
    """

    request_id: str
    failed: bool
    value: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What becomes of a batch; what isn't named here is resolved.

    Args:
        again: to be delivered again, in this order.
        given_up: not to be delivered any more; None if there are none.
        failed: the invocation resolved nothing: time to wait before the next.
    """

    again: tuple[Batch, ...] = ()
    given_up: Batch | None = None
    failed: bool = False


class _Failure(msgspec.Struct):
    identifier: Annotated[str, msgspec.Meta(min_length=1)] = msgspec.field(name="itemIdentifier")


class _Response(msgspec.Struct):
    """An answer of the right form. Nothing at all, or no list, is documented as success."""

    failures: list[_Failure] | None = msgspec.field(name="batchItemFailures", default=None)


def judge(batch: Batch, answer: Answer, *, bisect: bool, retry_attempts: int) -> Verdict:
    """Say what follows from an answer.

    A batch is only halved for a function error; one with a partial answer is cut where the answer says. Either way of
    making it smaller uses up no retry when `bisect` is on.

    Args:
        batch: what was delivered.
        answer: of the function.
        bisect: see `MappingOptions`.
        retry_attempts: the same.
    """
    left = _unresolved(batch.records, answer)
    if not left:
        return Verdict()
    nothing_resolved = len(left) == len(batch.records)
    invocations = batch.invocations + 1
    if bisect and not nothing_resolved:
        return Verdict(again=(Batch(records=left, retries=batch.retries, invocations=invocations),))
    if bisect and _is_whole_failure(batch.records, answer) and len(left) > 1:
        half = len(left) // 2
        halves = tuple(
            Batch(records=part, retries=batch.retries, invocations=invocations) for part in (left[:half], left[half:])
        )
        return Verdict(again=halves, failed=True)
    if 0 <= retry_attempts <= batch.retries:
        return Verdict(given_up=Batch(records=left, retries=batch.retries, invocations=invocations))
    again = Batch(records=left, retries=batch.retries + 1, invocations=invocations)
    return Verdict(again=(again,), failed=nothing_resolved)


def split_by_age(
    batch: Batch, *, now_epoch_seconds: float, record_age_seconds: float
) -> tuple[Batch | None, Batch | None]:
    """Divide a batch into records that are too old to be delivered, and the rest; None where there are none.

    Args:
        batch: about to be delivered.
        now_epoch_seconds: the time.
        record_age_seconds: see `MappingOptions`.
    """
    if record_age_seconds < 0:
        return None, batch
    oldest = now_epoch_seconds - record_age_seconds
    old = next(
        (index for index, record in enumerate(batch.records) if record.arrived_epoch_seconds >= oldest),
        len(batch.records),
    )
    return _part(batch, batch.records[:old]), _part(batch, batch.records[old:])


def _part(batch: Batch, records: tuple[ShardRecord, ...]) -> Batch | None:
    return Batch(records=records, retries=batch.retries, invocations=batch.invocations) if records else None


def _unresolved(records: tuple[ShardRecord, ...], answer: Answer) -> tuple[ShardRecord, ...]:
    """Return the records from the lowest reported one on: all of them unless the answer says otherwise in its form."""
    reported = _reported(answer)
    if reported is None:
        return records
    places = {record.sequence_number: place for place, record in enumerate(records)}
    if not reported <= places.keys():
        return records
    return records[min(places[one] for one in reported) :] if reported else ()


def _is_whole_failure(records: tuple[ShardRecord, ...], answer: Answer) -> bool:
    reported = _reported(answer)
    return reported is None or not reported <= {record.sequence_number for record in records}


def _reported(answer: Answer) -> set[str] | None:
    """Return the sequence numbers of a partial batch response; None if the answer makes the whole batch a failure."""
    if answer.failed:
        return None
    try:
        response = msgspec.convert(answer.value, _Response | None)
    except msgspec.ValidationError:
        return None
    failures = response.failures if response is not None else None
    return {failure.identifier for failure in failures} if failures is not None else set()
