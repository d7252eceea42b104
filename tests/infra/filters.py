"""Filters of event source mappings, as Lambda applies them, as far as ours go."""

from collections.abc import Mapping, Sequence
from typing import Any


def passes(change: Mapping[str, Any], filters: Sequence[Mapping[str, Any]]) -> bool:
    """Say whether any filter lets a change record through."""
    return any(_matches(each, {"data": change}) for each in filters)


def _matches(pattern: Any, document: Any) -> bool:
    """Match objects by their keys, leaves by a list of alternatives."""
    if isinstance(pattern, list):
        return any(_leaf_matches(alternative, document) for alternative in pattern)
    present = document if isinstance(document, dict) else {}
    return all(_matches(part, present.get(name)) for name, part in pattern.items())


def _leaf_matches(alternative: Any, leaf: Any) -> bool:
    if not isinstance(alternative, dict):
        return bool(leaf == alternative)
    if "exists" in alternative:
        return (leaf is not None) is alternative["exists"]
    if "prefix" in alternative:
        return isinstance(leaf, str) and leaf.startswith(alternative["prefix"])
    return leaf is not None and leaf not in alternative["anything-but"]
