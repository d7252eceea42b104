"""What a first pass finds: how many records are in which class, and what is known of requests that are gone."""

from collections import Counter
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from dropslot.core.item import State
from dropslot.operate.replay.classify import Class
from dropslot.operate.replay.ledger import Intent
from dropslot.operate.replay.reading import Classified, key_of
from dropslot.operate.replay.removal import Removal


@dataclass(slots=True, kw_only=True)
class Gone:
    """A request whose item isn't there.

    Args:
        key: names it, see `reading.key_of`.
        accepted_at: epoch milliseconds; of several generations that are gone, the last one's.
        attempt: the highest that any record shows.
        by_hand: whether somebody deleted it, or a later one of its id; or it expired; None if no record tells.
    """

    key: str
    accepted_at: int
    attempt: int = 0
    by_hand: bool | None = None


@dataclass(slots=True, kw_only=True)
class Survey:
    """Collects what is classified, and what else the records tell, in whatever order they come.

    Args:
        classes: records by class.
        late: those of `classes` whose requests were settled after the first pass of a replay that was stopped.
        gone: by item id; to restore one takes all that the records tell of it, the last one too.
        settled: what is done or failed, by `reading.key_of`.
        positions: the last record that was read of each lane.
    """

    classes: Counter[Class] = field(default_factory=Counter)
    late: Counter[Class] = field(default_factory=Counter)
    gone: dict[str, Gone] = field(default_factory=dict)
    settled: dict[str, Intent] = field(default_factory=dict)
    positions: dict[str, str] = field(default_factory=dict)
    # A record may come before the one that shows its request gone. Attempts above 0; of ids the last generation that
    # somebody deleted.
    _attempts: dict[str, int] = field(default_factory=dict)
    _expired: set[str] = field(default_factory=set)
    _deleted: dict[str, int] = field(default_factory=dict)

    def note(self, classified: Classified) -> None:
        """Take one record into account."""
        kind, change, row = classified.kind, classified.change, classified.row
        if kind in {Class.DONE, Class.FAILED} and row is not None:
            self.settled[classified.key] = Intent(attempt=row.state.attempt, kind=kind)
        if kind is Class.GONE and change is not None:
            known = self.gone.get(change.state.id)
            if known is None or known.accepted_at < change.state.accepted_at:
                self.gone[change.state.id] = Gone(key=classified.key, accepted_at=change.state.accepted_at)
        if change is not None:
            self._hear(change.state, classified.key)
        elif classified.removal is not None:
            self._hear(classified.removal, classified.key)

    def note_later(self, told: State | Removal) -> None:
        """Take a record into account that comes after all that is classified; only what is gone is of interest then."""
        if told.id in self.gone:
            self._hear(told, key_of(told))

    def meant(self, classes: AbstractSet[Class]) -> Mapping[str, Intent]:
        """Return what a replay of these classes may redrive, but for what is overdue: the sweep does that, too."""
        gone = {one.key: Intent(attempt=0, kind=Class.GONE) for one in self.gone.values()}
        found = self.settled | gone
        return {key: intent for key, intent in found.items() if intent.kind in classes}

    def narrow(self, meant: Mapping[str, Intent]) -> None:
        """Forget what was settled, or went, after an earlier survey, which found this."""
        self.settled = {key: intent for key, intent in self.settled.items() if meant.get(key) == intent}
        self.gone = {
            item_id: one
            for item_id, one in self.gone.items()
            if (before := meant.get(one.key)) is not None and before.kind is Class.GONE
        }

    def _hear(self, told: State | Removal, key: str) -> None:
        if told.attempt > self._attempts.get(key, 0):
            self._attempts[key] = told.attempt
        if isinstance(told, Removal) and told.by_hand:
            self._deleted[told.id] = max(told.accepted_at, self._deleted.get(told.id, 0))
        elif isinstance(told, Removal):
            self._expired.add(key)
        one = self.gone.get(told.id)
        if one is not None:
            one.attempt = self._attempts.get(one.key, 0)
            deleted = self._deleted.get(told.id, -1) >= one.accepted_at
            one.by_hand = True if deleted else False if one.key in self._expired else None
