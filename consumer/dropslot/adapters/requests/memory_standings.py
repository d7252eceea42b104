"""How requests stand, in memory, for tests."""

from collections.abc import Mapping, Sequence

from dropslot.adapters.requests.memory import MemoryRequests
from dropslot.adapters.requests.standings import standings_from
from dropslot.core.feedback import Standing


class MemoryStandings:
    """Twin of `DirectStandings`.

    Args:
        requests: twin of the table of requests.
    """

    def __init__(self, requests: MemoryRequests) -> None:
        self._requests = requests

    async def read(self, ids: Sequence[str]) -> Mapping[str, Standing]:
        """See `Standings.read`."""
        return standings_from([self._requests.items[key] for key in dict.fromkeys(ids) if key in self._requests.items])
