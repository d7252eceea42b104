"""The table of journals as operators read it: what the steps of a request have done."""

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from typing import TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from dropslot.adapters.journal.dynamodb import DynamoDBJournal
from dropslot.adapters.wire.sdk import Boto3Calls
from dropslot.core.errors import TransientError
from dropslot.core.item import State
from dropslot.core.journal import Entry
from dropslot.operate.errors import OutOfReachError
from dropslot.operate.target import Target
from dropslot.operate.trouble import explain

_Found = TypeVar("_Found")


class JournalTable:
    """Reads, strongly consistent. A pipeline without the table has no steps.

    Every method raises OutOfReachError when the table can't be asked.

    Args:
        target: the pipeline.
    """

    def __init__(self, target: Target) -> None:
        self._calls = Boto3Calls(target.dynamodb(), target.journal)
        self._journal = DynamoDBJournal(self._calls)

    def close(self) -> None:
        """Let go of what makes the calls."""
        self._calls.close()

    def runs(self, state: State) -> Sequence[Entry]:
        """Return the journals of all runs of a request, the first one first."""
        return self._asked(self._journal.runs(state.id, state.accepted_at), without_table=())

    def newest(self, states: Sequence[State]) -> Mapping[str, Entry]:
        """Return the journals of the last runs of requests, by item id; without those that have none.

        What lies there and is no journal counts as none.
        """
        return self._asked(self._newest(states), without_table={})

    async def _newest(self, states: Sequence[State]) -> Mapping[str, Entry]:
        entries = await asyncio.gather(*(_newest(self._journal, state) for state in states))
        return {entry.key.id: entry for entry in entries if entry is not None}

    def _asked(self, asking: Coroutine[None, None, _Found], *, without_table: _Found) -> _Found:
        try:
            return asyncio.run(asking)
        except TransientError as error:
            cause = error.__cause__
            if isinstance(cause, ClientError) and _code(cause) == "ResourceNotFoundException":
                return without_table
            if isinstance(cause, ClientError | BotoCoreError):
                raise explain(cause, service="DynamoDB", where=f"table {self._calls.table}") from error
            raise OutOfReachError(str(error)) from error


async def _newest(journal: DynamoDBJournal, state: State) -> Entry | None:
    try:
        return await journal.newest(state.id, state.accepted_at)
    except TransientError as error:
        if error.__cause__ is not None:  # of the call
            raise
        return None


def _code(error: ClientError) -> str:
    return error.response.get("Error", {}).get("Code", "")
