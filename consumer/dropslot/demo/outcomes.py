"""Follows sent requests on the table until each is settled."""

import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from dropslot.core import names
from dropslot.core.item import split_status
from dropslot.demo.sender import Sent

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

#: Limit of BatchGetItem.
_READ_BATCH: Final = 100
_POLL_SECONDS: Final = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """How a request ended.

    Args:
        status: failed or done.
        error: why it failed, "" when it didn't.
        latency_ms: from accept to outcome.
    """

    status: str
    error: str
    latency_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcomes:
    """What became of all requests that were sent.

    Args:
        sent: the samples and the API's answers.
        settled: how each settled request ended, by id.
    """

    sent: Sequence[Sent]
    settled: dict[str, Settled]

    @property
    def accepted(self) -> int:
        """How many the API took."""
        return sum(sent.accepted for sent in self.sent)

    @property
    def unsettled(self) -> int:
        """How many were accepted and didn't settle in time."""
        return self.accepted - len(self.settled)

    def count(self, status: str) -> int:
        """Return how many settled in this status."""
        return sum(settled.status == status for settled in self.settled.values())

    def latency_ms(self, percent: float) -> int | None:
        """Return a percentile of the time from accept to outcome, None without any outcome."""
        latencies = sorted(settled.latency_ms for settled in self.settled.values())
        return latencies[math.ceil(len(latencies) * percent / 100) - 1] if latencies else None

    def unexpected(self) -> list[str]:
        """Return one line for each kind of request that didn't end as it had to, with how many there were."""
        kinds: Counter[str] = Counter()
        for sent in self.sent:
            sample = sent.sample
            settled = self.settled.get(item_id(sent))
            if not sent.accepted:
                kinds[f"{sample.type}: the API answered {sent.status_code or 'nothing'} instead of 202"] += 1
            elif settled is None:
                kinds[f"{sample.type}: not settled"] += 1
            elif settled.status != sample.expected or sample.error not in settled.error:
                kinds[f"{sample.type}: {settled.status} {settled.error} instead of {sample.expected}"] += 1
        return [f"{count} x {kind}" for kind, count in kinds.most_common()]


def item_id(sent: Sent) -> str:
    """Return the key of a request's item; the local API knows no callers."""
    return names.item_id(names.NO_CALLER, sent.sample.type, sent.location.rsplit("/", 1)[-1])


def follow(
    client: "DynamoDBClient",
    table: str,
    sent: Sequence[Sent],
    *,
    patience_seconds: float,
    check: Callable[[], None],
    on_settled: Callable[[int], None],
) -> Outcomes:
    """Wait until all accepted requests are settled, or none has been for a while.

    Args:
        client: of the local DynamoDB.
        table: name of the table.
        sent: what was sent.
        patience_seconds: how long to wait for the next one to settle.
        check: called between two looks; raises when waiting is in vain.
        on_settled: told how many have settled since the last call.
    """
    open_ids = [item_id(one) for one in sent if one.accepted]
    settled: dict[str, Settled] = {}
    progress_at = time.monotonic()
    while open_ids and time.monotonic() - progress_at < patience_seconds:
        check()
        found: dict[str, Settled] = {}
        for start in range(0, len(open_ids), _READ_BATCH):
            found |= _settled(client, table, open_ids[start : start + _READ_BATCH])
        if found:
            progress_at = time.monotonic()
            settled |= found
            open_ids = [one for one in open_ids if one not in found]
            on_settled(len(found))
        if open_ids:
            time.sleep(_POLL_SECONDS)
    return Outcomes(sent=sent, settled=settled)


def _settled(client: "DynamoDBClient", table: str, ids: Sequence[str]) -> dict[str, Settled]:
    wanted = (names.ID, names.STATUS, names.ERROR, names.ACCEPTED_AT, names.DUE_AT)
    aliases = {f"#{name}": name for name in wanted}
    request: Any = {
        table: {
            "Keys": [{names.ID: {"S": one}} for one in ids],
            "ConsistentRead": True,
            "ProjectionExpression": ", ".join(aliases),
            "ExpressionAttributeNames": aliases,
        }
    }
    found = {}
    for item in client.batch_get_item(RequestItems=request)["Responses"][table]:
        status, _ = split_status(item[names.STATUS]["S"])
        if status in (names.DONE, names.FAILED):
            found[item[names.ID]["S"]] = Settled(
                status=status,
                error=item[names.ERROR]["S"] if names.ERROR in item else "",
                latency_ms=int(item[names.DUE_AT]["N"]) - int(item[names.ACCEPTED_AT]["N"]),
            )
    return found
