"""Reads of single requests from a table that throttles: well answered, with keys left unread."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, cast

import pytest

from dropslot.operate.errors import OutOfReachError
from dropslot.operate.table import GIVE_UP_SECONDS, RequestTable
from tests.unit.core.images import TABLE, image

IDS = [f"-#orders#{number}" for number in range(150)]


class Throttling:
    """Has every request; reads so many keys of each call in turn, then none.

    Args:
        reads: how many.
    """

    def __init__(self, *reads: int) -> None:
        self._reads = list(reads)
        self.asked: list[int] = []

    def batch_get_item(self, *, RequestItems: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N803 - boto3's own name
        """Answer."""
        wanted = RequestItems[TABLE]
        assert wanted["ConsistentRead"] is True
        self.asked.append(len(wanted["Keys"]))
        read = self._reads.pop(0) if self._reads else 0
        found, left = wanted["Keys"][:read], wanted["Keys"][read:]
        return {
            "Responses": {TABLE: [image(key["id"]["S"]) for key in found]},
            "UnprocessedKeys": {TABLE: {**wanted, "Keys": left}} if left else {},
        }


def table(client: Throttling) -> tuple[RequestTable, list[float]]:
    """Return the table, and the pauses that it makes."""
    pauses: list[float] = []
    return RequestTable(cast("Any", client), TABLE, where="table requests", sleep=pauses.append), pauses


def test_what_is_left_unread_is_read_after_a_pause() -> None:
    """Given answers without some keys, then these alone are asked for again, later each time; all rows are there."""
    client = Throttling(60, 0, 0, 0, 40, 50)
    reading, pauses = table(client)

    assert list(reading.get(IDS)) == IDS
    assert client.asked == [100, 40, 40, 40, 40, 50]
    assert len(pauses) == 4
    assert all(later > earlier for earlier, later in pairwise(pauses))


def test_a_table_that_reads_nothing_is_given_up() -> None:
    """Given throttling without an end, it says so after a while, and hasn't asked in a hurry."""
    client = Throttling(60)
    reading, pauses = table(client)

    with pytest.raises(OutOfReachError, match="table requests has left all reads undone for 30 s: it throttles"):
        reading.items(IDS)
    assert GIVE_UP_SECONDS <= sum(pauses) < GIVE_UP_SECONDS + 5
    assert len(client.asked) < 30


def test_a_table_that_reads_little_is_not_given_up() -> None:
    """Given a table that reads one key now and then, for minutes, all are read."""
    client = Throttling(*[0, 0, 0, 0, 0, 0, 0, 1] * 100)
    reading, pauses = table(client)

    assert list(reading.get(IDS[:100])) == IDS[:100]
    assert sum(pauses) > 4 * GIVE_UP_SECONDS
