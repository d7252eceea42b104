"""How requests stand, read from the table of requests without an SDK."""

from collections.abc import Mapping, Sequence
from typing import Final

from dropslot.adapters.requests.batch_read import read_items
from dropslot.adapters.requests.rows import Item
from dropslot.adapters.wire.dynamodb import TableCalls
from dropslot.core import names
from dropslot.core.feedback import Standing
from dropslot.core.item import split_status
from dropslot.core.turn import Turn

#: Never the body.
_ATTRIBUTES: Final = (names.ID, names.ACCEPTED_AT, names.ATTEMPT, names.STATUS, names.ERROR, names.RESULT)


class DirectStandings:
    """The real side of the port `Standings`.

    Args:
        calls: of the table of requests.
    """

    def __init__(self, calls: TableCalls) -> None:
        self._calls = calls

    async def read(self, ids: Sequence[str]) -> Mapping[str, Standing]:
        """See `Standings.read`."""
        return standings_from(await read_items(self._calls.call, self._calls.table, ids, _ATTRIBUTES))


def standings_from(items: Sequence[Item]) -> Mapping[str, Standing]:
    """Return what items show, by their id; those that are no requests are left out."""
    standings = (_standing_from(item) for item in items)
    return {standing.id: standing for standing in standings if standing is not None}


def _standing_from(item: Item) -> Standing | None:
    try:
        return Standing(
            id=item[names.ID]["S"],
            turn=Turn(accepted_at=int(item[names.ACCEPTED_AT]["N"]), attempt=int(item[names.ATTEMPT]["N"])),
            status=split_status(item[names.STATUS]["S"])[0],
            error=item[names.ERROR]["S"] if names.ERROR in item else "",
            result=item[names.RESULT]["S"] if names.RESULT in item else "",
        )
    except (KeyError, ValueError):
        return None
