"""A bounded memory of the attempts a shard has started, to catch near duplicates without a read."""

from collections import OrderedDict


class Seen:
    """Remembers the highest attempt per request generation; forgets the longest unused beyond its size.

    Args:
        size: how many generations to remember.
    """

    def __init__(self, size: int = 10_000) -> None:
        self._size = size
        self._attempts: OrderedDict[tuple[str, int], int] = OrderedDict()

    def covers(self, request_id: str, accepted_at: int, attempt: int) -> bool:
        """Tell whether this attempt or a later one was started."""
        return self._attempts.get((request_id, accepted_at), -1) >= attempt

    def add(self, request_id: str, accepted_at: int, attempt: int) -> None:
        """Remember an attempt that starts."""
        key = (request_id, accepted_at)
        self._attempts[key] = max(attempt, self._attempts.get(key, -1))
        self._attempts.move_to_end(key)
        if len(self._attempts) > self._size:
            self._attempts.popitem(last=False)
