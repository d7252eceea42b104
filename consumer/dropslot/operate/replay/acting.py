"""What a replay does with a class of records: the transition that each one's request takes, if any."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

import msgspec

from dropslot.core.change import Change
from dropslot.core.item import Unfinished
from dropslot.core.policy import next_due_at
from dropslot.core.transitions import Insert, Write, force, redrive, restore
from dropslot.operate.redrive import Redrive
from dropslot.operate.replay.classify import Class
from dropslot.operate.replay.ledger import Intent
from dropslot.operate.replay.reading import Classified
from dropslot.operate.replay.survey import Gone
from dropslot.operate.retrying import as_retried
from dropslot.operate.row import Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Actions:
    """What an operator allows.

    Args:
        failed: failed requests run again.
        force: done and gone ones, too.
        named: item ids that the operator gave one by one: what was deleted by hand comes back only if it is among them.
        grace_ms: of the sweep.
        gone: what the first pass has found to be gone, by item id: what goes after it stays away.
        settled: what it has found to be done or failed, by `reading.key_of`: what is settled after it, or once more,
            stays so, since nobody was asked about it. None if there was no first pass.
        hears_deletions: what is read tells of them. Else whatever is gone may have been deleted by hand.
    """

    failed: bool = False
    force: bool = False
    named: AbstractSet[str] = frozenset()
    grace_ms: int
    gone: dict[str, Gone] = field(default_factory=dict)
    settled: Mapping[str, Intent] | None = None
    hears_deletions: bool = True

    @property
    def classes(self) -> AbstractSet[Class]:
        """The classes that are acted on; of the gone ones perhaps not all."""
        return (
            {Class.WOULD_RUN}
            | ({Class.FAILED} if self.failed else set())
            | ({Class.DONE, Class.GONE} if self.force else set())
        )

    def comes_back(self, item_id: str, gone: Gone) -> bool:
        """Tell whether a request that is gone may come back."""
        unknown = gone.by_hand is None and not self.hears_deletions
        return item_id in self.named or not (gone.by_hand or unknown)

    def redrive(self, classified: Classified) -> Redrive | None:
        """Return the redrive of a record's request; None to leave it alone."""
        kind, change, row = classified.kind, classified.change, classified.row
        if kind not in self.classes or change is None:
            return None
        if kind is Class.GONE:
            gone = self.gone.get(change.state.id)
            return _restored(change, gone.attempt) if gone is not None and self._is_meant(change, gone) else None
        if row is None:
            return None
        if kind is Class.WOULD_RUN:
            return _swept(row, self.grace_ms)
        seen = Intent(attempt=row.state.attempt, kind=kind)
        if self.settled is not None and self.settled.get(classified.key) != seen:
            return None
        return _forced(row) if kind is Class.DONE else as_retried(row)

    def _is_meant(self, change: Change, gone: Gone) -> bool:
        """Tell whether a request that is gone is the one that was found, and may come back."""
        return gone.accepted_at == change.state.accepted_at and self.comes_back(change.state.id, gone)


def _swept(row: Row, grace_ms: int) -> Redrive:
    def change(now_ms: int) -> Write:
        due_at = next_due_at(row.state, now_ms=now_ms, grace_ms=grace_ms)
        return redrive(Unfinished(state=row.state, due_at=row.due_at), due_at=due_at)

    return Redrive(state=row.state, change=change)


def _forced(row: Row) -> Redrive:
    def change(now_ms: int) -> Write:
        return force(row.state, ttl=row.ttl, now_ms=now_ms)

    return Redrive(state=row.state, change=change)


def _restored(seen: Change, attempt: int) -> Redrive:
    def change(now_ms: int) -> Insert:
        return restore(seen.accepted, digit=seen.state.digit, attempt=attempt, now_ms=now_ms)

    return Redrive(state=msgspec.structs.replace(seen.state, attempt=attempt), change=change)
