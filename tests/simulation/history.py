"""What happened in a schedule, short enough to be read: kept as tuples, put into words when somebody asks."""

from collections.abc import Callable, Iterator


class ViolationError(AssertionError):
    """The product broke a promise.

    Args:
        invariant: the promise, by a short stable name.
        about: id of the request concerned, "" for none.
        what: in words.
    """

    def __init__(self, invariant: str, about: str, what: str) -> None:
        super().__init__(f"{invariant}: {what}")
        self.invariant = invariant
        self.about = about


class History:
    """Events in their order.

    Args:
        now: virtual seconds.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._events: list[tuple[float, str, str, object]] = []

    def note(self, event: str, about: str = "", detail: object = "") -> None:
        """Add an event.

        Args:
            event: what happened.
            about: id of the request concerned; "" concerns all.
            detail: looked at only when the history is printed.
        """
        self._events.append((self._now(), event, about, detail))

    def lines(self, about: str | None = None) -> Iterator[str]:
        """Put it into words.

        Args:
            about: only events of this request, and those that concern all; None for everything.
        """
        for at, event, concerned, detail in self._events:
            if about is None or concerned in {"", about}:
                yield f"{at:10.3f}  {concerned or '-':<14} {event:<18} {detail}".rstrip()
