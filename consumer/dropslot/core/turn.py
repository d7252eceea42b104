"""Which time of many a request is run: what comes later is greater."""

import msgspec


class Turn(msgspec.Struct, frozen=True, gc=False, order=True, kw_only=True):
    """One attempt of one generation.

    A request is settled at most once in a turn, and is unsettled again only in a later one.

    Args:
        accepted_at: epoch milliseconds; the generation: an id can be used again after its request is deleted.
        attempt: within the generation.
    """

    accepted_at: int
    attempt: int
