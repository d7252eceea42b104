"""Log lines as JSON objects, one a line, for whatever collects the container's output."""

import json
import logging
import time
import traceback
from typing import Any, Final, TextIO

from dropslot.engine.context import current_request

#: What every LogRecord has; anything beside these came in by `extra`.
_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """Formats a record as JSON: time, level, logger, event, what `extra` gave, and the request it belongs to.

    Args:
        constant: fields of every line, such as the shard's id.
    """

    def __init__(self, constant: dict[str, str] | None = None) -> None:
        super().__init__()
        self._constant = constant or {}

    def format(self, record: logging.LogRecord) -> str:
        """Return one line without its end."""
        line: dict[str, Any] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
            "level": record.levelname,
            "logger": record.name,
            "event": record.getMessage(),
            **self._constant,
        }
        request = current_request.get()
        if request is not None:
            line["request_id"], line["attempt"] = request
        line |= {name: value for name, value in vars(record).items() if name not in _STANDARD}
        if record.exc_info and record.exc_info[1] is not None:
            error = record.exc_info[1]
            line["error"] = type(error).__name__
            line["trace"] = [f"{at.filename}:{at.lineno} {at.name}" for at in traceback.extract_tb(error.__traceback__)]
        try:
            return json.dumps(line, default=str)
        except Exception:  # noqa: BLE001 - what a handler hands over as `extra` may do anything when looked at
            return json.dumps({name: value for name, value in line.items() if isinstance(value, str | int)})


def configure(level: str, stream: TextIO, **constant: str) -> None:
    """Send all logging to a stream as JSON lines.

    Args:
        level: the lowest level that is written.
        stream: stderr, or the container's log; never the stdout of a shard process.
        constant: fields of every line.
    """
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter(constant))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # The SDK logs each request's body at DEBUG, and that is the payload.
    for name in ("boto3", "botocore", "urllib3", "s3transfer"):
        logging.getLogger(name).setLevel(logging.WARNING)
