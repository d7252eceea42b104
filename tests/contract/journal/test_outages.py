"""What the real table says when it can't be used: never an answer about a journal, always "again, later"."""

import pytest

from dropslot.core import journal_writes as writes
from dropslot.core.errors import TransientError
from tests.contract.journal.conftest import Port
from tests.contract.journal.scene import KEY, OURS, OWNED, THEIRS, entry
from tests.unit.engine.doubles import asynchronous


async def cannot_be_used(journal: Port) -> None:
    """Check that every call raises what its caller repeats, and that the reason names the table or its server."""
    begin, take = writes.begin(KEY, OURS, attempt=0), writes.take(entry(), THEIRS, attempt=2)
    for write in (begin, take, *(make(KEY, OURS) for make in OWNED.values())):
        with pytest.raises(TransientError, match=r"table (journal|never-made)"):
            await journal.write(write)
    with pytest.raises(TransientError, match=r"table (journal|never-made)"):
        await journal.newest(KEY.id, KEY.accepted_at)
    with pytest.raises(TransientError, match=r"table (journal|never-made)"):
        await journal.runs(KEY.id, KEY.accepted_at)


@asynchronous
async def test_without_a_server_nothing_is_known(unreachable: Port) -> None:
    """Given no server, then nobody has overtaken anybody."""
    await cannot_be_used(unreachable)


@asynchronous
async def test_without_a_table_nothing_is_known(missing: Port) -> None:
    """Given no table, which is nothing about one request, then none is settled by it."""
    await cannot_be_used(missing)
    with pytest.raises(TransientError, match="UpdateItem on table never-made: ResourceNotFoundException"):
        await missing.write(writes.begin(KEY, OURS, attempt=0))
