"""Reads on where a survey has ended: a deletion counts, however late its record comes."""

from collections.abc import Callable
from typing import Final

from dropslot.core.change import Change, Removed, parse
from dropslot.core.errors import ConfigurationError
from dropslot.engine.ports import Clock
from dropslot.operate.errors import OutOfReachError
from dropslot.operate.replay.removal import removal
from dropslot.operate.replay.source import Source
from dropslot.operate.replay.survey import Survey

#: How old what is known of the stream may be when something is restored: to read it takes calls to every shard.
FRESH_SECONDS: Final = 30.0


class Tail:
    """Tells a survey what its records' successors say of requests that are gone; not thread-safe.

    Args:
        survey: gets to know it.
        source_until: makes a source that ends at a moment, in epoch milliseconds.
        table_name: of the table of requests.
        clock: time.
    """

    def __init__(self, survey: Survey, source_until: Callable[[int], Source], *, table_name: str, clock: Clock) -> None:
        self._survey = survey
        self._source_until = source_until
        self._table_name = table_name
        self._clock = clock
        self._known_ms: int | None = None

    async def catch_up(self) -> None:
        """Read up to now, unless that was done a moment ago, or nothing is gone.

        Raises:
            DropslotError: something can't be read.
        """
        now_ms = self._clock.now_ms()
        if not self._survey.gone or (self._known_ms is not None and now_ms - self._known_ms < FRESH_SECONDS * 1000):
            return
        source = self._source_until(now_ms)
        try:
            lanes = source.lanes()
        except ConfigurationError as gone:  # it was there when the survey was made
            raise OutOfReachError(str(gone)) from gone
        for lane in lanes:
            async for page in source.pages(lane, after=self._survey.positions.get(lane)):
                for record in page:
                    self._note(record.data)
                    self._survey.positions[lane] = record.sequence_number
        self._known_ms = self._clock.now_ms()

    def _note(self, data: bytes) -> None:
        parsed = parse(data, self._table_name)
        if isinstance(parsed, Change):
            self._survey.note_later(parsed.state)
        elif isinstance(parsed, Removed) and (told := removal(data)) is not None:
            self._survey.note_later(told)
