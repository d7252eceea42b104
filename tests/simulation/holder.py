"""Who has requests in hand: a shard process as long as it has its shard, or one invocation of a function."""

from contextvars import ContextVar
from typing import Protocol

#: The two consumers.
KCL = "kcl"
LAMBDA = "lambda"
#: None of them: it redrives, and settles nothing.
OPERATOR = "operator"


class Holder(Protocol):
    """What a run, or a write, is made by."""

    @property
    def name(self) -> str:
        """For the history."""
        ...

    @property
    def consumer(self) -> str:
        """Which consumer it belongs to."""
        ...

    @property
    def frozen_seconds(self) -> float:
        """For how long it stood still in the middle of its work."""
        ...

    def has(self, request_id: str) -> bool:
        """Tell whether it answers for this request: it lives, nobody has taken over, and it hasn't given it back."""
        ...


_holder: ContextVar[Holder] = ContextVar("simulated_holder")


def hold(holder: Holder) -> None:
    """Have all that is started from here on be done by this one."""
    _holder.set(holder)


def current_holder() -> Holder:
    """Return who does what is under way."""
    return _holder.get()
