"""Which requests an operator means."""

import re
from dataclasses import dataclass
from typing import Final, Self

from dropslot.core.errors import ConfigurationError
from dropslot.core.leftovers import tells_of_leftovers
from dropslot.operate.row import Row

_ANYTHING: Final = "*"


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorPattern:
    """Matches errors of requests.

    Args:
        expression: is searched for in the text.
    """

    expression: re.Pattern[str]

    @classmethod
    def of_text(cls, text: str) -> Self:
        """Match errors that contain the text; ``*`` in it stands for anything. All else means itself."""
        parts = (re.escape(part) for part in text.split(_ANYTHING))
        return cls(expression=re.compile(".*".join(parts), re.DOTALL))

    @classmethod
    def of_regex(cls, text: str) -> Self:
        """Match errors in which a regular expression of Python is found.

        Raises:
            ConfigurationError: it is none.
        """
        try:
            return cls(expression=re.compile(text))
        except re.error as wrong:
            raise ConfigurationError(f"--error-regex {text!r} is no regular expression: {wrong}") from None

    def matches(self, error: str) -> bool:
        """Tell whether it matches."""
        return self.expression.search(error) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What must hold of a request; what isn't set always does.

    Args:
        type: its type.
        caller: who sent it.
        error: what its error, or the last error of one that hasn't failed, must match.
        accepted_from_ms: epoch milliseconds; accepted then or later.
        accepted_until_ms: the same; accepted then or before.
        not_undone: whether only those are meant whose error tells of steps that aren't undone.
    """

    type: str | None = None
    caller: str | None = None
    error: ErrorPattern | None = None
    accepted_from_ms: int | None = None
    accepted_until_ms: int | None = None
    not_undone: bool = False

    def holds(self, row: Row) -> bool:
        """Tell whether all of it holds."""
        accepted_at = row.state.accepted_at
        return (
            (self.type is None or row.type == self.type)
            and (self.caller is None or row.caller == self.caller)
            and (self.error is None or self.error.matches(row.error or row.last_error))
            and (self.accepted_from_ms is None or accepted_at >= self.accepted_from_ms)
            and (self.accepted_until_ms is None or accepted_at <= self.accepted_until_ms)
            and (not self.not_undone or tells_of_leftovers(row.error))
        )
