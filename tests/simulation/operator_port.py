"""An operator's connection to the table: what commands need beyond what consumers and sweeps do."""

from collections.abc import Mapping, Sequence

from dropslot.adapters.requests.rows import Item
from dropslot.core import names
from dropslot.core.transitions import Insert
from dropslot.engine.ports import WriteResult
from dropslot.operate.row import Row
from tests.simulation.holder import Holder, current_holder
from tests.simulation.table import Port


class OperatorPort(Port):
    """Lists, looks, deletes and restores; it fails as the others do."""

    async def failed(self) -> Sequence[Row]:
        """Return the failed requests, as the index has them."""
        rows: list[Row] = await self._call(lambda: _rows(self._index.items()))
        return [row for row in rows if row.state.status == names.FAILED]

    async def look(self, ids: Sequence[str]) -> Mapping[str, Row]:
        """Look at requests, strongly consistent; without those that aren't there."""
        rows: list[Row] = await self._call(lambda: self._look(ids))
        return {row.state.id: row for row in rows}

    async def delete(self, row: Row) -> bool:
        """Delete a request, whatever its state; False if it isn't there any more, or another one has its id."""
        deleted: bool = await self._call(lambda: self._delete(row))
        return deleted

    async def restore(self, inserts: Sequence[Insert]) -> Sequence[WriteResult]:
        """See `Restoring.restore`."""
        holder = current_holder()
        results: Sequence[WriteResult] = await self._call(lambda: [self._insert(one, holder) for one in inserts])
        return results

    def _look(self, ids: Sequence[str]) -> list[Row]:
        return _rows([item for key in ids if (item := self._table.items.get(key)) is not None])

    def _delete(self, row: Row) -> bool:
        item = self._table.items.get(row.state.id)
        if item is None or item.get(names.ACCEPTED_AT) != {"N": str(row.state.accepted_at)}:
            return False
        self._watcher.actor = "operator"
        self._table.delete(row.state.id)
        self._watcher.actor = ""
        return True

    def _insert(self, insert: Insert, holder: Holder) -> WriteResult:
        now, strikes = self._loop.time(), self._faults.strikes
        if strikes("retries", 0.15, now):
            if strikes("retries", 0.3, now):
                self._inserted(insert, holder)
            return WriteResult.RETRY
        return self._inserted(insert, holder)

    def _inserted(self, insert: Insert, holder: Holder) -> WriteResult:
        self._watcher.writing(insert, holder)
        result = self._table._insert(insert)
        self._watcher.written(insert, result, holder)
        return result


def _rows(found: Sequence[Item]) -> list[Row]:
    return [row for item in found if (row := Row.from_item(item)) is not None]
