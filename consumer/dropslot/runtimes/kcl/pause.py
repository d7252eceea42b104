"""Whether operators have paused the consumers of a table: an item of the table says so, to all of them."""

import threading
from collections.abc import Callable
from logging import getLogger
from typing import TYPE_CHECKING, Final, Self

from botocore.exceptions import BotoCoreError, ClientError

from dropslot.core import names

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_log: Final = getLogger(__name__)

#: How soon a pause, or its end, is heeded.
LOOK_SECONDS: Final = 5.0
#: How long a start waits to know; a table that doesn't answer must not keep a consumer from starting.
_FIRST_LOOK_SECONDS: Final = 5.0


def is_paused(table: str, *, dynamodb: "DynamoDBClient") -> bool | None:
    """Ask the table; None if it doesn't say.

    Args:
        table: of requests.
        dynamodb: where it is.
    """
    try:
        # As the states of requests are read: a worker's role allows no other read of items.
        answer = dynamodb.batch_get_item(
            RequestItems={table: {"Keys": [{names.ID: {"S": names.CONTROL_ID}}], "ConsistentRead": True}}
        )
    except (ClientError, BotoCoreError):
        return None  # the reach thread tells why
    if answer["UnprocessedKeys"]:
        return None
    return any(names.PAUSED_AT in item for item in answer["Responses"].get(table, []))


class PauseThread:
    """Asks now and then while its block runs; in a thread, since a call that nobody answers takes half a minute.

    Args:
        ask: whether there is a pause, None if that can't be told: then what was last known holds.
        look_seconds: between two questions.
    """

    def __init__(self, ask: Callable[[], bool | None], *, look_seconds: float = LOOK_SECONDS) -> None:
        self._ask = ask
        self._look_seconds = look_seconds
        self._paused = False
        self._asked = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pause", daemon=True)

    def paused(self) -> bool:
        """Tell whether nothing may be started."""
        return self._paused

    def __enter__(self) -> Self:
        self._thread.start()
        self._asked.wait(_FIRST_LOOK_SECONDS)
        return self

    def __exit__(self, *_: object) -> None:
        # Not waited for: it may be in the middle of a call, and the stop has a limit.
        self._stop.set()

    def _run(self) -> None:
        while not self._stop.is_set():
            paused = self._ask()
            if paused is not None and paused != self._paused:
                _log.warning("paused" if paused else "resumed")
                self._paused = paused
            self._asked.set()
            self._stop.wait(self._look_seconds)
