"""Reads a source and classifies its records against the table, in small pieces."""

import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Final, Protocol

import msgspec

from dropslot.core.change import Change, Removed, Unusable, parse
from dropslot.core.item import State
from dropslot.engine.ports import Clock
from dropslot.operate.replay.classify import Class, class_of_record, class_of_request
from dropslot.operate.replay.filters import Filters
from dropslot.operate.replay.removal import Removal, removal
from dropslot.operate.replay.source import Record, Source
from dropslot.operate.row import Row

#: As many requests as one read of the table takes; they are acted on right after it.
PIECE_RECORDS: Final = 100

_Parsed = Change | Removed | Unusable


class Rows(Protocol):
    """Reads requests: `operate.table.RequestTable` does."""

    def get(self, ids: Sequence[str]) -> Mapping[str, Row]:
        """Read requests by item id, strongly consistent; without those that aren't there.

        Raises:
            OutOfReachError: the table can't be asked.
        """
        ...


class Classified(msgspec.Struct, frozen=True, kw_only=True):
    """A record, and how its request stands.

    Args:
        record: as it was read.
        kind: its class.
        key: names its request and generation; "" if it tells none.
        change: what it says, if it is a change of a request.
        removal: what it says, if it is a deletion of one.
        row: the request by a consistent read, if the table was asked and has an item with its id.
    """

    record: Record
    kind: Class
    key: str = ""
    change: Change | None = None
    removal: Removal | None = None
    row: Row | None = None


class Piece(msgspec.Struct, frozen=True, kw_only=True):
    """Records that follow each other in a lane; none of them at its end.

    Args:
        lane: where they were read.
        records: in order.
    """

    lane: str
    records: Sequence[Classified]


def key_of(told: State | Removal) -> str:
    """Return a digest that names a request and its generation, and tells nobody else which it is."""
    return hashlib.blake2b(f"{told.id}#{told.accepted_at}".encode(), digest_size=16).hexdigest()


class Reader:
    """Classifies every record of a source; a request counts where it is met first.

    Args:
        source: what to read.
        table: of requests.
        table_name: its name: changes of others are foreign.
        filters: what to leave out.
        clock: time.
        grace_ms: of the sweep.
    """

    def __init__(
        self, source: Source, table: Rows, *, table_name: str, filters: Filters, clock: Clock, grace_ms: int
    ) -> None:
        self._source = source
        self._table = table
        self._table_name = table_name
        self._filters = filters
        self._clock = clock
        self._grace_ms = grace_ms
        self._seen: set[str] = set()

    async def pieces(self, lane: str, *, after: str | None) -> AsyncIterator[Piece]:
        """Read a lane of the source; arguments and errors as of `Source.pages`."""
        async for page in self._source.pages(lane, after=after):
            for start in range(0, len(page), PIECE_RECORDS):
                yield Piece(lane=lane, records=self._classify(page[start : start + PIECE_RECORDS]))

    def _classify(self, records: Sequence[Record]) -> Sequence[Classified]:
        drafts = [self._of_record(record) for record in records]
        asked = {draft.change.state.id for draft in drafts if draft.kind is Class.GONE and draft.change is not None}
        rows = self._table.get(list(asked)) if asked else {}
        return [
            self._of_request(draft, rows.get(draft.change.state.id)) if draft.change is not None else draft
            for draft in drafts
        ]

    def _of_record(self, record: Record) -> Classified:
        """Classify by the record alone; as gone, for now, if the table must say."""
        parsed = parse(record.data, self._table_name)
        told = removal(record.data) if isinstance(parsed, Removed) else None
        change = parsed if isinstance(parsed, Change) else None
        named = change.state if change is not None else told
        key = key_of(named) if named is not None else ""
        kind = Class.LEFT_OUT if self._is_left_out(parsed, told) else class_of_record(parsed)
        if kind is None and key in self._seen:
            kind = Class.SUPERSEDED
        if kind is None:
            self._seen.add(key)
        return Classified(
            record=record, kind=kind if kind is not None else Class.GONE, key=key, change=change, removal=told
        )

    def _of_request(self, draft: Classified, row: Row | None) -> Classified:
        if draft.kind is not Class.GONE or draft.change is None:
            return draft
        kind = class_of_request(draft.change.state, row, now_ms=self._clock.now_ms(), grace_ms=self._grace_ms)
        return msgspec.structs.replace(draft, kind=kind, row=row)

    def _is_left_out(self, parsed: _Parsed, told: Removal | None) -> bool:
        if not self._filters.any:
            return False
        if isinstance(parsed, Change):
            return not self._filters.hold(event=parsed.event, type_name=parsed.accepted.type, key=parsed.accepted.id)
        return told is None or not self._filters.hold(event="REMOVE", type_name=told.type, key=told.id)
