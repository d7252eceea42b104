"""Which request the running code belongs to, for log lines written by handlers."""

from contextvars import ContextVar
from typing import Final

#: Id and attempt of the request whose handler runs in this thread or task.
current_request: Final[ContextVar[tuple[str, int] | None]] = ContextVar("dropslot_request", default=None)
