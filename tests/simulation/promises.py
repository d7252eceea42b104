"""The promises as they are demanded: the first one that is broken ends the schedule."""

from tests.simulation.history import ViolationError


class Promises:
    """Raises `ViolationError` at a broken promise, and remembers the first: the code that is checked may swallow it.

    Args:
        chosen: the only ones to demand; None for all.
    """

    def __init__(self, chosen: frozenset[str] | None = None) -> None:
        self._chosen = chosen
        self.violation: ViolationError | None = None

    def demand(self, holds: object, invariant: str, about: str, what: str) -> None:
        """Demand that something holds.

        Args:
            holds: whether it does.
            invariant: the promise, by its name.
            about: id of the request concerned, "" for none.
            what: in words, what is wrong if it doesn't.
        """
        if not holds and (self._chosen is None or invariant in self._chosen):
            self.violation = self.violation or ViolationError(invariant, about, what)
            raise self.violation
