"""Consistent reads of many items by BatchGetItem, as few calls as can be."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from dropslot.adapters.requests.rows import Item, attribute
from dropslot.core import names
from dropslot.core.errors import TransientError

#: Makes one call: operation by DynamoDB's name, and arguments as its JSON has them.
Call: TypeAlias = Callable[[str, Mapping[str, Any]], Awaitable[Mapping[str, Any]]]

#: Limit of one call.
READ_BATCH: Final = 100


async def read_items(call: Call, table: str, ids: Sequence[str], attributes: Sequence[str]) -> Sequence[Item]:
    """Read items, those that are there, strongly consistent.

    Args:
        call: makes the calls.
        table: its name.
        ids: keys, any number; repeated ones are read once.
        attributes: what is wanted of each.

    Raises:
        TransientError: nothing is known.
    """
    # One key that no item can have would refuse the whole call.
    unique = [key for key in dict.fromkeys(ids) if names.can_be_id(key)]
    items: list[Item] = []
    for start in range(0, len(unique), READ_BATCH):
        items.extend(await _read(call, table, unique[start : start + READ_BATCH], attributes))
    return items


async def _read(call: Call, table: str, ids: Sequence[str], attributes: Sequence[str]) -> Sequence[Item]:
    aliases = {f"#{name}": name for name in attributes}
    wanted: Mapping[str, Any] = {
        table: {
            "Keys": [{names.ID: attribute(key)} for key in ids],
            "ConsistentRead": True,
            "ProjectionExpression": ", ".join(aliases),
            "ExpressionAttributeNames": aliases,
        }
    }
    items: list[Item] = []
    while wanted:
        answer = await call("BatchGetItem", {"RequestItems": wanted})
        found = answer["Responses"].get(table, [])
        items.extend(found)
        wanted = answer.get("UnprocessedKeys") or {}
        if wanted and not found:
            raise TransientError(f"BatchGetItem on table {table}: throttled")
    return items
