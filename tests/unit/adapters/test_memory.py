"""The twin's own parts: its change feed and its way to tell sizes."""

import asyncio
from typing import Any

from dropslot.adapters.requests.memory import MemoryRequests
from dropslot.adapters.wire.item_size import item_bytes
from dropslot.core.policy import Failed
from dropslot.core.transitions import settle
from tests.unit.core.images import image, state


def test_the_feed_tells_each_change_once_in_order() -> None:
    """Put, update, delete; what changes nothing, or is refused, makes no record."""
    feed: list[tuple[Any, Any]] = []
    table = MemoryRequests(on_change=lambda old, new: feed.append((old, new)))
    table.put(image())
    table.put(image())
    write = settle(state(), Failed("no"), now_ms=5, ttl_seconds=5)
    asyncio.run(table.write([write]))
    asyncio.run(table.write([write]))
    table.delete("caller#one")
    table.delete("caller#one")
    failed = image(status="failed-a", due_at=5, error="no")
    assert feed == [(None, image()), (image(), failed), (failed, None)]


def test_what_was_put_is_the_tables_own() -> None:
    """Changing the argument afterwards changes no item."""
    table = MemoryRequests()
    item = image()
    table.put(item)
    item["status"]["S"] = "done-a"
    assert table.items["caller#one"]["status"] == {"S": "pending-a"}


def test_sizes_count_names_and_bytes() -> None:
    """Of text in UTF-8, names too."""
    assert item_bytes({"a": {"S": "é"}, "bc": {"S": ""}}) == 1 + 2 + 2
    assert item_bytes({"l": {"L": [{"S": "ab"}, {"S": ""}]}}) == 1 + 3 + 1 + 2 + 1
    assert item_bytes({"h": {"M": {"x": {"S": "yz"}}}}) == 1 + 3 + 1 + 1 + 2
