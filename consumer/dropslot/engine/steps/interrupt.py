"""What ends a run of a handler in the middle; no handler is to catch it, so it is no `Exception`."""

from dropslot.core.policy import Outcome


class Interrupt(BaseException):
    """This run is over.

    Args:
        why: for logs.
        outcome: what the request comes to; None: another worker has it, and nothing is to be written.
    """

    def __init__(self, why: str, outcome: Outcome | None) -> None:
        super().__init__(why)
        self.outcome = outcome


class Turned(Interrupt):
    """The request is being undone: the handler only had to show how, and has reached what was never finished."""

    def __init__(self) -> None:
        super().__init__("it is being undone", None)
