"""The words of the item, the index and their limits: one place for every name that crosses a process boundary."""

from typing import Final

# Attributes of an item of table `requests`.
ID: Final = "id"
REQUEST: Final = "request"
ENCODING: Final = "encoding"
TYPE: Final = "type"
CONTENT_TYPE: Final = "content_type"
HEADERS: Final = "headers"
ACCEPTED_AT: Final = "accepted_at"
ATTEMPT: Final = "attempt"
TRIES: Final = "tries"
FLOOR: Final = "floor"
RERUN: Final = "rerun"
STATUS: Final = "status"
QUEUE: Final = "queue"
DUE_AT: Final = "due_at"
LAST_ERROR: Final = "last_error"
ERROR: Final = "error"
TTL: Final = "ttl"
RESULT: Final = "result"
STARTS: Final = "starts"

# Sort key of an item of table `journal`, whose partition key is `id`: see `run_key`.
RUN: Final = "run"

# What all consumers of a table are told is in an item of that table. It has no body, so no transition can meet it, and
# its change records are none of a request. No id that the API makes is without separators.
CONTROL_ID: Final = "@control"
PAUSED_AT: Final = "paused_at"
REASON: Final = "reason"

#: Value of `encoding` for a body that was stored as base64.
BASE64: Final = "base64"

# The four statuses; the item stores `<status>-<hex digit>` so that the index spreads over sixteen partitions.
PENDING: Final = "pending"
WAITING: Final = "waiting"
FAILED: Final = "failed"
DONE: Final = "done"
SPREAD_DIGITS: Final = "0123456789abcdef"

#: Index over unsettled and failed requests, keyed by (`queue`, `due_at`).
UNFINISHED_INDEX: Final = "unfinished"
#: What the index projects besides the keys of table and index.
UNFINISHED_PROJECTION: Final = (ACCEPTED_AT, ATTEMPT, TRIES, LAST_ERROR, ERROR, TYPE)

#: Separates the caller's prefix from the client's part of an id. A client key can't contain it.
ID_SEPARATOR: Final = "#"
#: Stands for the caller where the API doesn't ask who calls.
NO_CALLER: Final = "-"

#: Limit of a key (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html).
ID_MAX_BYTES: Final = 2048
#: Cap on `error` and `last_error`: an item that just fitted must still take its outcome.
ERROR_MAX_BYTES: Final = 1024
#: Cap on a raw body, and on the same body JSON-escaped: both images of an item must fit one 1 MB change record
#: (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/kds.html) and the item its 400 KB.
BODY_MAX_BYTES: Final = 350 * 1024
BODY_MAX_ESCAPED_BYTES: Final = 450 * 1024


def stored_status(status: str, digit: str) -> str:
    """Return the stored form of a status, such as ``pending-a``."""
    return f"{status}-{digit}"


def can_be_id(text: str) -> bool:
    """Tell whether an item can have this key."""
    return 0 < len(text.encode()) <= ID_MAX_BYTES


def item_id(caller: str, type_name: str, public_id: str) -> str:
    """Return the key of an item, as the API's templates build it."""
    return ID_SEPARATOR.join((caller, type_name, public_id))


def journal_id(request_id: str, accepted_at: int, run: int) -> str:
    """Return what stands for one run of a request, the first is 0: what the keys of its steps begin with."""
    return ID_SEPARATOR.join((request_id, str(accepted_at), str(run)))


def run_key(accepted_at: int, run: int) -> str:
    """Return the sort key of an item of table `journal`: a later run of a request, or of a later one, sorts after."""
    return f"{accepted_at}{ID_SEPARATOR}{run:04d}"
