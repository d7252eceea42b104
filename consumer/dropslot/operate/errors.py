"""What keeps an operator's command from its work."""

from dropslot.core.errors import DropslotError


class OutOfReachError(DropslotError):
    """AWS, or the local stack, can't be reached, or doesn't allow it. The message says which, and what to do."""
