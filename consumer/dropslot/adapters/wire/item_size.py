"""What an item takes of DynamoDB's limit."""

from collections.abc import Mapping
from typing import Any, Final

#: Limit of an item (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html).
ITEM_MAX_BYTES: Final = 400 * 1024


def item_bytes(item: Mapping[str, Mapping[str, Any]]) -> int:
    """Return an item's size as DynamoDB counts it, for the types we store.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
    """
    return sum(len(name.encode()) + _value_bytes(value) for name, value in item.items())


def _value_bytes(value: Mapping[str, Any]) -> int:
    if "S" in value:
        return len(value["S"].encode())
    if "N" in value:
        # Two significant digits a byte, and one more; AWS calls its own count approximate.
        return (len(value["N"].strip("-0")) + 1) // 2 + 1
    if "L" in value:
        return 3 + sum(1 + _value_bytes(inner) for inner in value["L"])
    return 3 + sum(1 + len(name.encode()) + _value_bytes(inner) for name, inner in value.get("M", {}).items())
