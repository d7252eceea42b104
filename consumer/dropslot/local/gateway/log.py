"""JSON log lines of the gateway process, on stderr: names and ids, never a header, key or body."""

import json
import logging
from datetime import UTC, datetime
from typing import Final

_FIELDS: Final = ("method", "resource_path", "request_id", "backend_status", "url", "types", "refusal")


class JsonFormatter(logging.Formatter):
    """Writes a record as one JSON object."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "process": "gateway",
            "event": record.getMessage(),
        }
        line |= {name: vars(record)[name] for name in _FIELDS if name in vars(record)}
        if record.exc_info is not None and record.exc_info[1] is not None:
            # The type alone: a message may hold what the client sent.
            line["error"] = type(record.exc_info[1]).__name__
        return json.dumps(line)


def configure(level: str) -> None:
    """Send all records of this process to stderr as JSON."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # One line per call, each with the whole URL, is more than anyone reads.
    logging.getLogger("httpx").setLevel(logging.WARNING)
