"""Moments as operators write and read them."""

import re
from datetime import UTC, datetime
from typing import Final

_AGO: Final = re.compile(r"(\d+(?:\.\d+)?)(s|m|h|d)")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


def parse_moment(text: str, *, now_ms: int) -> int:
    """Return the epoch milliseconds of ``90m`` (so long ago; s, m, h or d) or of an ISO 8601 time (UTC unless it says).

    Raises:
        ValueError: it is neither.
    """
    ago = _AGO.fullmatch(text)
    if ago is not None:
        return now_ms - round(float(ago[1]) * _SECONDS[ago[2]] * 1000)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is no time: write 90m, 6h or 2d (ago), or 2026-11-24T03:00Z") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return round(moment.timestamp() * 1000)


def format_moment(epoch_ms: int) -> str:
    """Return a time for readers, in UTC, to the second."""
    try:
        return datetime.fromtimestamp(epoch_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    except (ValueError, OverflowError, OSError):  # not written by us
        return str(epoch_ms)
