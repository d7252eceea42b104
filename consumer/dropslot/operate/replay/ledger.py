"""How far a replay is: after a stop the same command goes on, and does nothing twice."""

from collections import Counter
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import BinaryIO, Final, Self

import msgspec

from dropslot.operate.moments import format_moment
from dropslot.operate.redrive import Fate
from dropslot.operate.replay.classify import Class
from dropslot.operate.replay.position import Span


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """The first line.

    Args:
        command: all that decides what is read and what is done with it: a replay goes on only by the same.
        started_at: epoch milliseconds.
        span: what is read; times that were given by how long ago they are were meant then.
    """

    command: dict[str, str]
    started_at: int
    span: Span

    @property
    def words(self) -> str:
        """Which replay it is, for readers."""
        documents = self.command.get("--failures")
        reads = f"documents of {documents}" if documents else self.span.words
        return f"the replay of {format_moment(self.started_at)} ({reads})"


class Intent(msgspec.Struct, frozen=True, kw_only=True):
    """A request that may be redriven, or is about to be.

    Args:
        attempt: its attempt as it was seen: a higher one tells that it was redriven.
        kind: its class then.
    """

    attempt: int
    kind: Class


class _Line(msgspec.Struct, omit_defaults=True, kw_only=True):
    """Any other line: what was found, what is about to be done, or how far all is done."""

    meant: list[str] = []
    seen: Intent | None = None
    all_meant: bool = False
    intents: dict[str, Intent] = {}
    lane: str = ""
    position: str = ""
    finished: bool = False
    classes: dict[str, int] = {}
    fates: dict[str, int] = {}


#: Keys in one line.
_KEYS: Final = 1_000

_header: Final = msgspec.json.Decoder(Header)
_line: Final = msgspec.json.Decoder(_Line)
_encode: Final = msgspec.json.Encoder().encode


class Ledger:
    """What a replay has done. Each piece is written down before it is begun, and after it is done.

    Args:
        header: the first line.
        file: takes further lines; None keeps them nowhere.
    """

    def __init__(self, header: Header, file: BinaryIO | None = None) -> None:
        self.header = header
        self.resumed = False
        self.positions: dict[str, str] = {}
        self.finished: set[str] = set()
        self.classes: Counter[Class] = Counter()
        self.fates: Counter[Fate] = Counter()
        #: What is done, and what may have been done when the replay was stopped; by `reading.key_of`.
        self.done: set[str] = set()
        self.open: dict[str, Intent] = {}
        #: What the first pass found that may be redriven, and only that is; None before it has.
        self.meant: Mapping[str, Intent] | None = None
        self._found: dict[str, Intent] = {}
        self._file = file

    @property
    def is_new(self) -> bool:
        """Nothing has been done."""
        return not (self.positions or self.finished or self.open)

    def mean(self, meant: Mapping[str, Intent]) -> None:
        """Note what the first pass has found; nobody has been asked about anything else."""
        alike: dict[Intent, list[str]] = {}
        for key, intent in meant.items():
            alike.setdefault(intent, []).append(key)
        for intent, keys in alike.items():
            for start in range(0, len(keys), _KEYS):
                self._write(_Line(meant=keys[start : start + _KEYS], seen=intent))
        self._write(_Line(all_meant=True))
        self.meant = meant

    def begin(self, intents: Mapping[str, Intent]) -> None:
        """Note what is about to be done."""
        if intents:
            self._write(_Line(intents=dict(intents)))
            self.open |= intents

    def end(self, lane: str, position: str, keys: AbstractSet[str]) -> None:
        """Note that all is done up to this record, what that came to, and whose records these were."""
        self.positions[lane] = position
        self.done |= self.open.keys() & keys
        self.open = {key: intent for key, intent in self.open.items() if key not in keys}
        # After a stop the pieces may be cut elsewhere: what is left open is said again, in the same breath.
        left = [_Line(intents=self.open)] if self.open else []
        self._write(self._told(_Line(lane=lane, position=position)), *left)

    def finish(self, lane: str) -> None:
        """Note that nothing is left of a lane."""
        self.finished.add(lane)
        self._write(self._told(_Line(lane=lane, finished=True)))

    def has_passed(self, lane: str, sequence_number: str) -> bool:
        """Tell whether a record was handled before."""
        position = self.positions.get(lane)
        return lane in self.finished or (position is not None and int(sequence_number) <= int(position))

    def _told(self, line: _Line) -> _Line:
        line.classes = {kind.value: number for kind, number in self.classes.items()}
        line.fates = {fate.value: number for fate, number in self.fates.items()}
        return line

    def _write(self, *lines: _Line) -> None:
        if self._file is not None:
            self._file.write(b"".join(_encode(line) + b"\n" for line in lines))
            self._file.flush()

    def _take(self, line: _Line) -> None:
        if line.seen is not None:
            self._found |= dict.fromkeys(line.meant, line.seen)
            return
        if line.all_meant:
            self.meant = self._found
            return
        if line.intents:
            self.open |= line.intents
            self.done -= line.intents.keys()
            return
        if line.finished:
            self.finished.add(line.lane)
        else:
            self.positions[line.lane] = line.position
            self.done |= self.open.keys()
            self.open = {}
        self.classes.clear()
        self.classes.update({Class(kind): number for kind, number in line.classes.items()})
        self.fates.clear()
        self.fates.update({Fate(fate): number for fate, number in line.fates.items()})

    @classmethod
    def new(cls, header: Header, file: BinaryIO) -> Self:
        """Begin a file."""
        file.write(_encode(header) + b"\n")
        file.flush()
        return cls(header, file)

    @classmethod
    def read(cls, file: BinaryIO) -> Self | None:
        """Read a file, and leave it where further lines go, as it is: what is behind was cut off by a stop.

        None if it holds nothing yet.

        Raises:
            msgspec.DecodeError: it isn't a ledger.
        """
        file.seek(0)
        end, ledger = 0, None
        for line in file:
            if not line.endswith(b"\n"):
                if ledger is None:
                    raise msgspec.DecodeError("no first line")
                break
            if ledger is None:
                ledger = cls(_header.decode(line), file)
            else:
                ledger._take(_line.decode(line))
            end += len(line)
        file.seek(end)
        return ledger
