"""Carries a replay out: reads a source piece by piece, and redrives what the operator allows."""

from collections.abc import Callable
from typing import Final

import msgspec

from dropslot.operate.redrive import Fate, Redrive, Redriver
from dropslot.operate.replay.acting import Actions
from dropslot.operate.replay.classify import Class
from dropslot.operate.replay.ledger import Intent, Ledger
from dropslot.operate.replay.progress import Meter
from dropslot.operate.replay.reading import Classified, Piece, Reader
from dropslot.operate.replay.source import Source
from dropslot.operate.replay.survey import Survey
from dropslot.operate.replay.tail import Tail

#: Tells of a record that is acted on: the attempt of its request as it was seen, and what became of it, if anything.
Tell = Callable[[Classified, int, Fate | None], None]

_SETTLED: Final = frozenset({Class.DONE, Class.FAILED})
_ASKS_FOR_NO_RUN: Final = frozenset({Class.OURS, Class.FOREIGN, Class.LEFT_OUT})


class Carrier:
    """Goes over a source once; not thread-safe.

    Args:
        source: what to read.
        reader: classifies it.
        ledger: how far an earlier run came, and this one comes.
        meter: shows how far that is.
    """

    def __init__(self, *, source: Source, reader: Reader, ledger: Ledger, meter: Meter) -> None:
        self._source = source
        self._reader = reader
        self._ledger = ledger
        self._meter = meter

    async def look(self, actions: Actions, tell: Tell) -> Survey:
        """Read all of it and do nothing; what an earlier run has handled isn't counted.

        The ledger keeps what is found; after a stop nothing but that counts as settled or gone.

        Args:
            actions: what is to be redriven.
            tell: is told of each record of these classes.

        Raises:
            DropslotError: something can't be read.
        """
        survey = Survey()
        for lane in self._source.lanes():
            async for piece in self._reader.pieces(lane, after=None):
                for classified in piece.records:
                    survey.note(classified)
                    if self._ledger.has_passed(lane, classified.record.sequence_number):
                        continue
                    told = self._as_told(classified)
                    survey.classes[told.kind] += 1
                    survey.late[told.kind] += self._is_late(told)
                    if told.kind in actions.classes and told.change is not None:
                        tell(told, (told.row.state if told.row is not None else told.change.state).attempt, None)
                survey.positions[lane] = piece.records[-1].record.sequence_number
                self._meter.move(piece)
            self._meter.finish(lane)
        if self._ledger.meant is None:
            self._ledger.mean(survey.meant(actions.classes))
        else:
            survey.narrow(self._ledger.meant)
        return survey

    async def act(self, actions: Actions, redriver: Redriver, tell: Tell, *, tail: Tail | None = None) -> None:
        """Read what is left, and redrive what is to be; after an error or Ctrl-C the ledger tells how far it is.

        Args:
            actions: what is to be redriven.
            redriver: redrives it; its fates are the ledger's.
            tell: is told of each.
            tail: reads what the stream tells by now, before something is restored; None if there is no more to read.

        Raises:
            DropslotError: something can't be read, or the table takes nothing.
        """
        for lane in self._source.lanes():
            if lane in self._ledger.finished:
                continue
            async for piece in self._reader.pieces(lane, after=self._ledger.positions.get(lane)):
                await self._act(piece, actions, redriver, tell, tail)
                self._meter.move(piece)
            self._ledger.finish(lane)
            self._meter.finish(lane)

    async def _act(self, piece: Piece, actions: Actions, redriver: Redriver, tell: Tell, tail: Tail | None) -> None:
        planned: dict[str, tuple[Classified, Redrive]] = {}
        acted: list[tuple[Classified, int, Fate]] = []
        for classified in map(self._as_told, piece.records):
            self._ledger.classes[classified.kind] += 1
            intent = self._intent(classified)
            if intent is not None:
                redriver.fates[Fate.REDRIVEN] += 1
                acted.append((classified, intent.attempt, Fate.REDRIVEN))
            elif (redrive := actions.redrive(classified)) is not None:
                planned[classified.key] = classified, redrive
        self._ledger.begin(
            {key: Intent(attempt=redrive.state.attempt, kind=one.kind) for key, (one, redrive) in planned.items()}
        )
        left = list(planned.values())
        while left:
            batch, left = left[: redriver.batch_size], left[redriver.batch_size :]
            if tail is not None and any(one.kind is Class.GONE for one, _ in batch):
                # A batch is a second's worth, a piece perhaps a quarter of an hour's.
                await tail.catch_up()
                batch = [(one, redrive) for one, _ in batch if (redrive := actions.redrive(one)) is not None]
            if not batch:
                continue
            fates = await redriver.redrive([redrive for _, redrive in batch])
            acted += [(one, redrive.state.attempt, fates[redrive.state.id]) for one, redrive in batch]
        # Told in one go with the note: what is told before a stop isn't told again after it.
        for classified, attempt, fate in acted:
            tell(classified, attempt, fate)
        keys = {classified.key for classified in piece.records}
        self._ledger.end(piece.lane, piece.records[-1].record.sequence_number, keys)

    def _as_told(self, classified: Classified) -> Classified:
        """Class a record by what an earlier run has noted of its request."""
        intent = self._intent(classified)
        if intent is not None:
            return msgspec.structs.replace(classified, kind=intent.kind)
        if classified.key in self._ledger.done and classified.kind not in _ASKS_FOR_NO_RUN:
            return msgspec.structs.replace(classified, kind=Class.SUPERSEDED)
        return classified

    def _is_late(self, told: Classified) -> bool:
        """Tell whether a request was settled after the first pass of a replay that was stopped."""
        if self._ledger.meant is None or told.kind not in _SETTLED or told.row is None:
            return False
        seen = self._ledger.meant.get(told.key)
        if seen is None or seen.kind is not told.kind:
            return True
        return seen.attempt != told.row.state.attempt and self._intent(told) is None

    def _intent(self, classified: Classified) -> Intent | None:
        """Return what an earlier run meant to do with the request when it was stopped, if it did it."""
        intent, row = self._ledger.open.get(classified.key), classified.row
        if intent is None or row is None or classified.change is None:
            return None
        same = row.state.accepted_at == classified.change.state.accepted_at
        return intent if same and row.state.attempt > intent.attempt else None
