"""What an item of table `requests` says: the part that never changes, and the state that transitions move."""

import msgspec

from dropslot.core import names


class Accepted(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """The part of an item written at accept and never again.

    Args:
        id: key of the item.
        accepted_at: epoch milliseconds; with the id it names one generation.
        type: the configured type it came in by.
        body: the stored text; base64 when `encoding` says so.
        encoding: "" or `names.BASE64`.
        content_type: as the client sent it.
        headers: the kept headers, names as configured.
    """

    id: str
    accepted_at: int
    type: str
    body: str
    encoding: str
    content_type: str
    headers: dict[str, str]


class State(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """The part of an item that decides what may happen to it next.

    Args:
        id: key of the item.
        accepted_at: epoch milliseconds, the generation.
        attempt: 0 at accept, +1 by each redrive.
        tries: failures counted against the retry schedule.
        status: one of pending, waiting, failed, done.
        digit: the hex digit that spreads the status over the index.
        settled: an outcome (`ttl` or `error`) is there.
        starts: how often it was started under suspicion of killing its worker.
        suspected: it is under that suspicion, also if it hasn't been started since.
        floor: the attempt of the last forced redrive: a run of an earlier one counts for nothing. 0 without one.
        rerun: the attempt of an operator's last retry: steps that were undone before it are done anew. 0 without one.
    """

    id: str
    accepted_at: int
    attempt: int
    tries: int
    status: str
    digit: str
    settled: bool
    starts: int = 0
    floor: int = 0
    rerun: int = 0
    suspected: bool = False


class Unfinished(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A row of the index `unfinished`: eventually consistent, so only ever a hint.

    Args:
        state: as far as the index projects it.
        due_at: epoch milliseconds, the row's sort key.
    """

    state: State
    due_at: int


def split_status(stored: str) -> tuple[str, str]:
    """Split ``pending-a`` into status and digit.

    Raises:
        ValueError: when it is no stored status.
    """
    status, _, digit = stored.rpartition("-")
    if status not in _STATUSES or digit not in _DIGITS:
        raise ValueError(f"{stored[:40]!r} is no status of a request")
    return status, digit


_STATUSES = frozenset((names.PENDING, names.WAITING, names.FAILED, names.DONE))
_DIGITS = frozenset(names.SPREAD_DIGITS)
