"""Every error Dropslot raises, split by what the reader must do about it."""


class DropslotError(Exception):
    """Root of all errors of this package."""


class ConfigurationError(DropslotError):
    """Something the operator set is wrong. Carries every fault found, not only the first.

    Args:
        faults: one sentence each: what is wrong, where, and what to set instead.
    """

    def __init__(self, *faults: str) -> None:
        self.faults = faults
        super().__init__("; ".join(faults))


class TransientError(DropslotError):
    """The other side did not do it, and may later: the same call can be made again."""


class JournalFullError(DropslotError):
    """A request's journal has no room for another result."""


class StepsMisusedError(DropslotError):
    """A handler uses its steps in a way that can't be resumed: the request fails, and nothing of it is undone."""


class StepTimeoutError(DropslotError, TimeoutError):
    """A step passed its time limit. Like every `TimeoutError` it may pass by itself."""


class Reject(DropslotError):  # noqa: N818 - part of the handler contract: users write `raise Reject("why")`
    """Raised by a handler: this request can never succeed. It becomes failed with this reason, without a retry."""


class RetryLater(DropslotError):  # noqa: N818 - part of the handler contract, as above
    """Raised by a handler: try this request again later, as a new attempt.

    Args:
        message: kept as the request's ``last_error``.
        after_seconds: how long to wait at least; without it the retry schedule decides.
    """

    def __init__(self, message: str = "", *, after_seconds: float | None = None) -> None:
        if after_seconds is not None and not 0 <= after_seconds < float("inf"):
            raise ValueError(f"after_seconds must be a finite number of seconds, 0 or more; got {after_seconds!r}")
        super().__init__(message)
        self.after_seconds = after_seconds
