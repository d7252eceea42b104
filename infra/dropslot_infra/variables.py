"""Puts a consumer's environment variables together."""

from collections.abc import Collection, Mapping


def merge_variables(
    *, chosen: Mapping[str, str], own: Mapping[str, str], taken: Collection[str] = ()
) -> dict[str, str]:
    """Merge variables; what was chosen mustn't touch the construct's own.

    Args:
        chosen: the operator's, and what suits this runtime.
        own: those that name what the construct was given.
        taken: names that come another way, such as secrets.

    Raises:
        ValueError: naming each variable that can't be chosen.
    """
    clashing = sorted(chosen.keys() & (own.keys() | set(taken)))
    if clashing:
        raise ValueError(f"environment: {', '.join(clashing)} can't be set: each follows from other settings")
    return {**chosen, **own}
