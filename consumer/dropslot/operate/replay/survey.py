"""What a first pass finds: how many records are in which class, and what is known of requests that are gone."""

from collections import Counter
from dataclasses import dataclass, field

from dropslot.core.item import State
from dropslot.operate.replay.classify import Class
from dropslot.operate.replay.reading import Classified
from dropslot.operate.replay.removal import Removal


@dataclass(slots=True, kw_only=True)
class Gone:
    """A request whose item isn't there.

    Args:
        accepted_at: epoch milliseconds; of several generations that are gone, the last one's.
        attempt: the highest that any record shows.
        by_hand: whether somebody deleted it, or it expired; None if no record tells.
    """

    accepted_at: int
    attempt: int
    by_hand: bool | None = None


@dataclass(slots=True, kw_only=True)
class Survey:
    """Collects what is classified.

    Args:
        classes: records by class.
        gone: by item id; to restore one takes all that the records tell of it, the last one too.
        settled: what is done or failed, by `reading.key_of`.
    """

    classes: Counter[Class] = field(default_factory=Counter)
    gone: dict[str, Gone] = field(default_factory=dict)
    settled: dict[str, Class] = field(default_factory=dict)

    def note(self, classified: Classified) -> None:
        """Take one record into account; call it for each, in order."""
        if classified.kind in {Class.DONE, Class.FAILED}:
            self.settled[classified.key] = classified.kind
        if classified.kind is Class.GONE and classified.change is not None:
            self._note_gone(classified.change.state)
        elif classified.change is not None:
            self._note_attempt(classified.change.state)
        elif classified.removal is not None:
            found = self._note_attempt(classified.removal)
            if found is not None:
                found.by_hand = classified.removal.by_hand

    def _note_gone(self, state: State) -> None:
        known = self.gone.get(state.id)
        if known is None or known.accepted_at < state.accepted_at:
            self.gone[state.id] = Gone(accepted_at=state.accepted_at, attempt=state.attempt)

    def _note_attempt(self, told: State | Removal) -> Gone | None:
        known = self.gone.get(told.id)
        if known is None or known.accepted_at != told.accepted_at:
            return None
        known.attempt = max(known.attempt, told.attempt)
        return known
