"""Which records of a stream an operator means."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What must hold of a record; what isn't set always does.

    Args:
        type: its request came in by this type.
        events: it is one of INSERT, MODIFY and REMOVE.
        ids: keys of items: it is of one of these.
    """

    type: str | None = None
    events: AbstractSet[str] = frozenset()
    ids: AbstractSet[str] = frozenset()

    @property
    def any(self) -> bool:
        """Something is set: what is no change of a request is then not meant."""
        return self.type is not None or bool(self.events) or bool(self.ids)

    def hold(self, *, event: str, type_name: str, key: str) -> bool:
        """Tell whether all of it holds."""
        return (
            (self.type is None or type_name == self.type)
            and (not self.events or event in self.events)
            and (not self.ids or key in self.ids)
        )
