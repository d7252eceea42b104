"""An operator at one command: a process of its own, which may do what its command may, and no more."""

from collections import Counter
from collections.abc import Mapping
from typing import Final, TypeAlias

from dropslot.core import names
from dropslot.core.transitions import Insert, Write
from dropslot.operate.row import Row
from tests.simulation.feed import Record
from tests.simulation.holder import OPERATOR
from tests.simulation.life import Key
from tests.simulation.loop import Image
from tests.simulation.operators_plan import DELETE, REPLAY, REPLAY_FAILED, REPLAY_FORCE, RETRY

#: A settled request as it was seen: id, generation, attempt, and error, "" if it is done.
Seen: TypeAlias = tuple[str, int, int, str]

#: Which transitions each command may make.
_MAY: Final[Mapping[str, frozenset[str]]] = {
    RETRY: frozenset({"retry"}),
    DELETE: frozenset(),
    REPLAY: frozenset({"redrive"}),
    REPLAY_FAILED: frozenset({"redrive", "retry"}),
    REPLAY_FORCE: frozenset({"redrive", "retry", "force", "restore"}),
}


class Operator(Image):
    """Somebody at a shell.

    Args:
        name: for the history.
        kind: which command.
        redriven: what this command has redriven, also when it was started before.
    """

    consumer = OPERATOR

    def __init__(self, name: str, kind: str, redriven: set[Key]) -> None:
        super().__init__(name)
        self._kind = kind
        self.redriven = redriven
        #: The settled requests that were looked at.
        self.seen: set[Seen] = set()
        #: Those of them that were there before it was asked whether it means these; None if it wasn't.
        self.asked: frozenset[Seen] | None = None
        #: The highest attempt of each request in the records that were read.
        self.heard: Counter[Key] = Counter()
        #: The requests of which it has read that somebody deleted them.
        self.deleted: set[Key] = set()
        #: Its writes that were made, by transition.
        self.made: Counter[str] = Counter()

    def may(self, write: Write | Insert) -> bool:
        """Tell whether its command may make this write at all."""
        return write.transition in _MAY[self._kind]

    def look(self, row: Row) -> None:
        """Note a request as it was seen, if it is settled."""
        if row.state.status in {names.DONE, names.FAILED}:
            self.seen.add((row.state.id, row.state.accepted_at, row.state.attempt, row.error))

    def means(self, seen: Seen) -> bool:
        """Tell whether it may run this again: it has seen it, and if it was asked about what it had seen, before."""
        return seen in (self.asked if self.asked is not None else self.seen)

    def hear(self, record: Record) -> None:
        """Note a record that was read."""
        key = record.id, record.accepted_at
        self.heard[key] = max(self.heard[key], record.attempt)
        if record.by_hand:
            self.deleted.add(key)
