"""Looks at requests: a list, one, counts, an export."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import chain, islice
from typing import Final

from dropslot.core import names
from dropslot.operate import runs
from dropslot.operate.journals import JournalTable
from dropslot.operate.row import Row
from dropslot.operate.screen import Screen
from dropslot.operate.selection import Selection
from dropslot.operate.table import UNFINISHED, RequestTable
from dropslot.operate.target import Target
from dropslot.operate.view import LIST_COLUMNS, as_json, as_line, as_pairs, payload

#: Rows that one call reads for a list: there is one call for each of an index's partitions, and few are shown.
_LIST_PAGE: Final = 100
#: Requests whose bodies are held at once: each has up to 400 KB.
_PAYLOAD_BATCH: Final = 25


def open_table(target: Target) -> RequestTable:
    """Return the table of a pipeline, for reads and deletes."""
    return RequestTable(target.dynamodb(), target.table, where=target.where)


def list_unfinished(
    target: Target, screen: Screen, *, statuses: Sequence[str], selection: Selection, limit: int
) -> None:
    """List what isn't done, oldest first.

    Args:
        target: the pipeline.
        screen: where to.
        statuses: which to look at.
        selection: what must hold.
        limit: at most so many rows.
    """
    rows = filter(selection.holds, open_table(target).unfinished(statuses, page=min(limit + 1, _LIST_PAGE)))
    found = list(islice(rows, limit + 1))
    shown, more = found[:limit], len(found) > limit
    if screen.as_json:
        screen.json({"requests": [as_json(row) for row in shown], "more": more})
    elif shown:
        screen.table(LIST_COLUMNS, [as_line(row) for row in shown])
    if not shown:
        screen.say("no such request")
    if more:
        screen.say(f"there are more than {limit:,}: --limit, or `dropslot requests count`")


def show_request(target: Target, screen: Screen, *, key: str, body: bool) -> bool:
    """Show one request; False if there is none.

    Args:
        target: the pipeline.
        screen: where to.
        key: of the item.
        body: also what its sender wrote, and its handler and its steps returned.
    """
    item = open_table(target).items([key]).get(key)
    row = Row.from_item(item) if item is not None else None
    if item is None or row is None:
        screen.say(f"there is no request {key}: it was deleted, expired, or has another --type or --caller")
        return False
    with closing(JournalTable(target)) as journals:
        entries = journals.runs(row.state)
    if screen.as_json:
        told = {"runs": [runs.as_json(entry, results=body) for entry in entries]}
        screen.json(as_json(row) | (payload(item) if body else {}) | told)
        return True
    screen.pairs(as_pairs(row, item))
    if body:
        sent = payload(item)
        if sent["headers"]:
            screen.pairs([(f"header {name}", str(value)) for name, value in sent["headers"].items()])
        for title, text in (("body", sent["body"]), ("result", sent["result"])):
            if text is not None:
                screen.text(f"\n--- {title} ---\n{text}")
    runs.show(screen, row, entries, results=body)
    if not body:
        screen.say("--body shows what was sent and returned")
    return True


def count_requests(
    target: Target, screen: Screen, *, statuses: Sequence[str], selection: Selection, scan: bool
) -> None:
    """Count by status and type.

    Args:
        target: the pipeline.
        screen: where to.
        statuses: which to look at in the index.
        selection: what must hold.
        scan: read the whole table instead, for the done ones.
    """
    table = open_table(target)
    rows = table.scan() if scan else chain.from_iterable(table.unfinished([status]) for status in statuses)
    counts: Counter[tuple[str, str]] = Counter()
    for row in filter(selection.holds, rows):
        counts[row.state.status, row.type] += 1
    if screen.as_json:
        by_status: dict[str, dict[str, int]] = {}
        for (status, type_name), number in sorted(counts.items()):
            by_status.setdefault(status, {})[type_name] = number
        screen.json(by_status)
    else:
        order = [*UNFINISHED, names.DONE]
        lines = sorted(counts.items(), key=lambda entry: (order.index(entry[0][0]), entry[0][1]))
        total = ("all", "", f"{sum(counts.values()):,}")
        screen.table(("STATUS", "TYPE", "REQUESTS"), [(*key, f"{number:,}") for key, number in lines] + [total])
    if not scan:
        screen.say("without the done ones, which are in no index: --scan counts them, and reads the whole table for it")


def export_requests(
    target: Target, screen: Screen, *, statuses: Sequence[str], selection: Selection, payload: bool, scan: bool
) -> None:
    """Print requests as JSON, one a line.

    Args:
        target: the pipeline.
        screen: where to.
        statuses: which to look at in the index.
        selection: what must hold.
        payload: also what senders wrote and handlers returned.
        scan: read the whole table instead of the index.
    """
    table = open_table(target)
    rows = filter(selection.holds, table.scan() if scan else table.unfinished(statuses))
    exported = 0
    for line in _with_payload(table, rows) if payload else map(as_json, rows):
        screen.json_line(line)
        exported += 1
    screen.say(f"{exported:,} exported")


def _with_payload(table: RequestTable, rows: Iterator[Row]) -> Iterator[dict[str, object]]:
    while batch := list(islice(rows, _PAYLOAD_BATCH)):
        items = table.items([row.state.id for row in batch])
        for key in (row.state.id for row in batch):
            # As it is now: the index may be behind. What was deleted meanwhile is left out.
            item = items.get(key)
            row = Row.from_item(item) if item is not None else None
            if item is not None and row is not None:
                yield as_json(row) | payload(item)
