"""Where a replay starts and ends: the oldest record, a moment, or a record."""

import re
from dataclasses import dataclass
from typing import Any, Final

from dropslot.core.errors import ConfigurationError
from dropslot.operate.moments import format_moment, parse_moment

TRIM_HORIZON: Final = "trim-horizon"
NOW: Final = "now"

#: Kinesis's have 56 digits or so; no moment has that many.
_SEQUENCE_NUMBER: Final = re.compile(r"\d{21,128}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """A place in a shard; with neither argument the oldest record that it keeps.

    Args:
        sequence_number: of a record.
        epoch_ms: a moment, in epoch milliseconds.
    """

    sequence_number: str | None = None
    epoch_ms: int | None = None

    @property
    def words(self) -> str:
        """The place, for readers."""
        if self.sequence_number is not None:
            return f"sequence number {self.sequence_number}"
        return format_moment(self.epoch_ms) if self.epoch_ms is not None else "the oldest record"

    def iterator(self) -> dict[str, Any]:
        """Return what GetShardIterator wants to be told."""
        if self.sequence_number is not None:
            return {"ShardIteratorType": "AT_SEQUENCE_NUMBER", "StartingSequenceNumber": self.sequence_number}
        if self.epoch_ms is not None:
            return {"ShardIteratorType": "AT_TIMESTAMP", "Timestamp": self.epoch_ms / 1000}
        return {"ShardIteratorType": "TRIM_HORIZON"}

    def is_before(self, sequence_number: str, arrived_epoch_ms: int) -> bool:
        """Tell whether a record comes after this place."""
        if self.sequence_number is not None:
            return int(sequence_number) > int(self.sequence_number)
        return self.epoch_ms is not None and arrived_epoch_ms > self.epoch_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """What a replay reads, both ends included.

    Args:
        start: where it starts.
        end: where it ends; a moment, or a record.
    """

    start: Position
    end: Position

    @property
    def words(self) -> str:
        """All of it, for readers."""
        return f"from {self.start.words} to {self.end.words}"


def parse_span(start: str, end: str, *, now_ms: int) -> Span:
    """Return what `--from` and `--to` say.

    Raises:
        ConfigurationError: one of them says nothing, or nothing can lie between them.
    """
    first = Position() if start == TRIM_HORIZON else _position("--from", start, now_ms)
    last = Position(epoch_ms=now_ms) if end == NOW else _position("--to", end, now_ms)
    if first.epoch_ms is not None:
        if first.epoch_ms > now_ms:
            raise ConfigurationError(f"--from {start} lies in the future")
        if last.epoch_ms is not None and first.epoch_ms > last.epoch_ms:
            raise ConfigurationError(f"--from {start} is later than --to {end}")
    # What a replay redrives makes change records: up to a later moment it would read them too.
    return Span(start=first, end=Position(epoch_ms=now_ms) if (last.epoch_ms or 0) > now_ms else last)


def _position(option: str, text: str, now_ms: int) -> Position:
    if _SEQUENCE_NUMBER.fullmatch(text):
        return Position(sequence_number=text)
    try:
        return Position(epoch_ms=parse_moment(text, now_ms=now_ms))
    except ValueError:
        word = TRIM_HORIZON if option == "--from" else NOW
        raise ConfigurationError(
            f"{option} {text!r} is no place in a stream: write {word}, 90m, 6h or 2d (ago), 2026-11-24T03:00Z, "
            "or a sequence number"
        ) from None
