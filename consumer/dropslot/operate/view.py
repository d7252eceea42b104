"""A request as commands show it: as JSON, as a line of a list, or in full."""

from typing import Any, Final

from dropslot.adapters.requests.rows import Item
from dropslot.core import names
from dropslot.operate.moments import format_moment
from dropslot.operate.row import Row

LIST_COLUMNS: Final = ("STATUS", "DUE OR SETTLED", "ACCEPTED", "ATTEMPT", "TRIES", "ID", "ERROR")


def as_json(row: Row) -> dict[str, Any]:
    """Return a request without its body; times in epoch milliseconds."""
    state = row.state
    return {
        "item_id": state.id,
        "id": row.public_id,
        "type": row.type,
        "caller": row.caller,
        "status": state.status,
        "accepted_at": state.accepted_at,
        "due_at": row.due_at,
        "attempt": state.attempt,
        "tries": state.tries,
        "starts": state.starts,
        "last_error": row.last_error or None,
        "error": row.error or None,
    }


def as_line(row: Row) -> tuple[str, ...]:
    """Return the cells under `LIST_COLUMNS`."""
    state = row.state
    return (
        state.status,
        format_moment(row.due_at),
        format_moment(state.accepted_at),
        str(state.attempt),
        str(state.tries),
        state.id,
        row.error or row.last_error,
    )


def as_pairs(row: Row, item: Item) -> list[tuple[str, str]]:
    """Return all there is to say about a request, but for what its sender wrote and its handler returned."""
    state = row.state
    when = {names.PENDING: "under way since", names.WAITING: "runs again at"}.get(state.status, f"{state.status} at")
    pairs = [
        ("id", row.public_id),
        ("item", state.id),
        ("type", row.type),
        ("caller", row.caller),
        ("status", state.status),
        ("accepted at", format_moment(state.accepted_at)),
        (when, format_moment(row.due_at)),
        ("attempt", str(state.attempt)),
        ("tries", str(state.tries)),
    ]
    if state.starts:
        pairs.append(("starts", f"{state.starts}: its worker may have died of it"))
    if row.last_error:
        pairs.append(("last error", row.last_error))
    if row.error:
        pairs.append(("error", row.error))
    if names.TTL in item:
        pairs.append(("kept until", format_moment(int(item[names.TTL]["N"]) * 1000)))
    body = item.get(names.REQUEST, {}).get("S", "")
    encoding = " of base64" if names.ENCODING in item else ""
    pairs.append(("body", f"{len(body.encode())} bytes{encoding}, {item.get(names.CONTENT_TYPE, {}).get('S', '')}"))
    if names.RESULT in item:
        pairs.append(("result", f"{len(item[names.RESULT]['S'].encode())} bytes"))
    return pairs


def payload(item: Item) -> dict[str, Any]:
    """Return what its sender wrote and its handler returned, as stored."""
    headers = item.get(names.HEADERS, {}).get("M", {})
    return {
        "content_type": item.get(names.CONTENT_TYPE, {}).get("S"),
        "encoding": item.get(names.ENCODING, {}).get("S"),
        "headers": {name: value.get("S") for name, value in headers.items()},
        "body": item.get(names.REQUEST, {}).get("S"),
        "result": item.get(names.RESULT, {}).get("S"),
    }
