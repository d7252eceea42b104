"""What can go wrong while the local stack runs."""

from pathlib import Path

from dropslot.core.errors import DropslotError


class LocalStackError(DropslotError):
    """The local stack can't start or go on. The message says what happened and what to do."""


class ProcessDiedError(LocalStackError):
    """A process of the stack ended although nobody asked it to.

    Args:
        name: which one, such as ``relay``.
        exit_code: its exit code; negative is the signal that ended it.
        tail: the last lines of its log.
        log: where the whole log is.
    """

    def __init__(self, *, name: str, exit_code: int, tail: str, log: Path) -> None:
        self.name = name
        self.exit_code = exit_code
        how = f"was ended by signal {-exit_code}" if exit_code < 0 else f"ended with exit code {exit_code}"
        super().__init__(f"{name} {how}; its log is {log} and ends with:\n{tail or '(nothing)'}")
