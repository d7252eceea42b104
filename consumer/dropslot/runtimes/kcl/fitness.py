"""Whether a worker gets anywhere, as its supervisor knows it: written into its heartbeat, for the health check."""

from collections.abc import Callable, Mapping
from typing import Any, Final

#: Keys of the heartbeat.
PROVEN: Final = "proven"
TROUBLE: Final = "trouble"
TROUBLE_SINCE: Final = "trouble_since_epoch_seconds"


class Fitness:
    """In trouble from the start, until it has worked once: a deployment must not succeed before.

    Args:
        now_epoch_seconds: the wall clock, since the reader is another process.
    """

    def __init__(self, *, now_epoch_seconds: Callable[[], float]) -> None:
        self._now = now_epoch_seconds
        self._proven = False
        self._trouble = "it has only just started"
        self._since: float | None = now_epoch_seconds()

    def works(self) -> None:
        """Note that all is well."""
        self._proven, self._trouble, self._since = True, "", None

    def troubled(self, why: str) -> None:
        """Note that it isn't; the time counts from the first note after all was well."""
        self._trouble = why
        if self._since is None:
            self._since = self._now()

    def signs(self) -> Mapping[str, Any]:
        """Return what goes into the heartbeat."""
        return {PROVEN: self._proven, TROUBLE: self._trouble, TROUBLE_SINCE: self._since}
