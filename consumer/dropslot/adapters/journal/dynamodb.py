"""The table of journals in DynamoDB, whoever sends the calls: what to ask, and what the answers mean."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from dropslot.adapters.journal.rows import entry_from, generation
from dropslot.adapters.journal.update import update
from dropslot.adapters.requests.rows import attribute
from dropslot.adapters.wire.calls import Calls
from dropslot.adapters.wire.service_error import ServiceError
from dropslot.core import names
from dropslot.core.errors import JournalFullError
from dropslot.core.journal import Entry, JournalWrite
from dropslot.engine.journal_port import Answer

#: What an error says when the item would pass 400 KB; its code is the same as any other validation's.
_TOO_LARGE: Final = "exceeded the maximum allowed size"


class DynamoDBJournal:
    """The real side of the ports `Journal` and `Journals`.

    Whatever isn't about one item (throttling, a missing table or permission, a fault of the service) and whatever is
    unknown leaves the request open: `ServiceError` is a `TransientError` that names the table and the code.

    Args:
        calls: of the table of journals.
    """

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def close(self) -> None:
        """Let go of what makes the calls."""
        self._calls.close()

    async def write(self, write: JournalWrite) -> Answer:
        """See `Journal.write`."""
        table = self._calls.table
        try:
            answer = await self._calls.call("UpdateItem", update(table, write))
        except ServiceError as error:
            if error.code == "ConditionalCheckFailedException":
                return Answer(applied=False, entry=entry_from(error.item, table) if error.item else None)
            if error.code == "ValidationException" and _TOO_LARGE in error.message:
                raise JournalFullError(f"table {table}: the journal has no room for {write.kind}") from error
            raise
        item = answer.get("Attributes")
        return Answer(applied=True, entry=entry_from(item, table) if item else None)

    async def newest(self, request_id: str, accepted_at: int) -> Entry | None:
        """See `Journal.newest`."""
        if not names.can_be_id(request_id):
            return None
        query = {**self._query(request_id, accepted_at), "ScanIndexForward": False, "Limit": 1}
        answer = await self._calls.call("Query", query)
        return next((entry_from(item, self._calls.table) for item in answer["Items"]), None)

    async def runs(self, request_id: str, accepted_at: int) -> Sequence[Entry]:
        """See `Journals.runs`."""
        if not names.can_be_id(request_id):
            return []
        query = self._query(request_id, accepted_at)
        entries: list[Entry] = []
        while True:
            answer = await self._calls.call("Query", query)
            entries.extend(entry_from(item, self._calls.table) for item in answer["Items"])
            if "LastEvaluatedKey" not in answer:
                return entries
            query = {**query, "ExclusiveStartKey": answer["LastEvaluatedKey"]}

    def _query(self, request_id: str, accepted_at: int) -> Mapping[str, Any]:
        return {
            "TableName": self._calls.table,
            "KeyConditionExpression": "#id = :id AND begins_with(#run, :generation)",
            "ExpressionAttributeNames": {"#id": names.ID, "#run": names.RUN},
            "ExpressionAttributeValues": {
                ":id": attribute(request_id),
                ":generation": attribute(generation(accepted_at)),
            },
            # A run that was closed before its request was written must be seen.
            "ConsistentRead": True,
        }
