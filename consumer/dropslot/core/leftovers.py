"""The error of a request of which something couldn't be undone: why it failed, and what of it is left."""

from collections.abc import Sequence
from typing import Final

from dropslot.core import names
from dropslot.core.text import cut

_MARK: Final = "; not undone: "
#: What is left may take this much of an error: whoever looks for such requests must find the mark in any of them.
_LIST_MAX_BYTES: Final = names.ERROR_MAX_BYTES // 2


def with_leftovers(error: str, left: Sequence[str]) -> str:
    """Return an error that also tells what is left; no longer than an item's may be.

    Args:
        error: why it failed, with or without such a list.
        left: what isn't undone, and why, each in a few words.
    """
    told = _MARK + cut(", ".join(left), _LIST_MAX_BYTES)
    return cut(without_leftovers(error), names.ERROR_MAX_BYTES - len(told.encode())) + told


def without_leftovers(error: str) -> str:
    """Return why it failed."""
    return error.partition(_MARK)[0]


def tells_of_leftovers(error: str) -> bool:
    """Tell whether something seems to be left. Errors quote others' words: only the journal knows."""
    return _MARK in error
