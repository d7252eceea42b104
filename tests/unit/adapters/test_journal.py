"""What the table of journals asks for, what it makes of answers no local server gives, and the twin's own parts."""

import re
from typing import Any, Final

import pytest

from dropslot.adapters.journal.dynamodb import DynamoDBJournal
from dropslot.adapters.journal.memory import MemoryJournal
from dropslot.adapters.journal.rows import key_attributes
from dropslot.adapters.journal.update import update
from dropslot.adapters.wire.service_error import ServiceError
from dropslot.core import journal_writes as writes
from dropslot.core.errors import JournalFullError, TransientError
from dropslot.core.journal import Entry, JournalWrite, Key, Lease, Step
from dropslot.core.transience import TRANSIENT_AWS_CODES
from dropslot.engine.journal_port import Answer
from tests.unit.adapters.scripted import ScriptedCalls
from tests.unit.engine.doubles import asynchronous

KEY: Final = Key(id="caller#orders#one", accepted_at=17, run=0)
LEASE: Final = Lease(owner="a1", until_ms=9)
ITEM: Final[dict[str, Any]] = {
    **key_attributes(KEY),
    "attempt": {"N": "1"},
    "began": {"N": "0"},
    "owner": {"S": "a1"},
    "lease_until": {"N": "9"},
    "steps": {"L": []},
}
ENTRY: Final = Entry(key=KEY, attempt=1, began=0, owner="a1", lease_until=9)

CLAIMS: Final = [writes.begin(KEY, LEASE, attempt=1), writes.take(ENTRY, LEASE, attempt=1)]
OTHERS: Final = [
    writes.renew(KEY, LEASE),
    writes.finish(KEY, LEASE, index=3, step=Step(name="pay", result="1", at=5)),
    writes.turn(KEY, LEASE, error="no"),
    writes.undone(KEY, LEASE, index=3, at_ms=6),
    writes.not_undone(KEY, LEASE, index=3, error="no"),
    writes.release(KEY, "a1"),
    writes.close_done(KEY, "a1", result="1", ttl=5),
    writes.close_failed(KEY, "a1", error="no"),
    writes.close_undone(KEY, "a1", error="no"),
    writes.close_stuck(KEY, "a1", error="no"),
]


def kind(write: JournalWrite) -> str:
    """Name a case."""
    return write.kind


def refused(code: str, **fields: Any) -> ServiceError:
    """Return the error of a write."""
    return ServiceError("UpdateItem", "journal", code, **fields)


def scripted(*script: Any) -> tuple[ScriptedCalls, DynamoDBJournal]:
    """Return a table whose answers are written down."""
    calls = ScriptedCalls(*script, table="journal")
    return calls, DynamoDBJournal(calls)


# What is asked


@pytest.mark.parametrize("write", [*CLAIMS, *OTHERS], ids=kind)
def test_every_name_is_an_alias(write: JournalWrite) -> None:
    """Given any write, then none of its names, most of them reserved, stands in an expression."""
    asked = update("journal", write)
    text = f"{asked['UpdateExpression']} {asked['ConditionExpression']}"
    words = set(re.findall(r"[#:\w]+", text)) - {"SET", "REMOVE", "AND", "attribute_not_exists"}
    aliases, values = asked["ExpressionAttributeNames"], asked.get("ExpressionAttributeValues", {})
    assert {word for word in words if not word.isdigit()} == {*aliases, *values}
    assert all(alias == f"#{name}" for alias, name in aliases.items())


def test_a_step_goes_to_its_place_in_the_list() -> None:
    """Given a finished step, and its undo, then they are set by its index, so that repeating them changes nothing."""
    _, finish, _, undone, not_undone, *_ = (update("journal", write)["UpdateExpression"] for write in OTHERS)
    assert finish.startswith("SET #steps[3] = :0, ")
    assert undone.startswith("SET #steps[3].#undone_at = :0, ")
    assert not_undone.startswith("SET #steps[3].#undo_error = :0, ")


@pytest.mark.parametrize("write", [*CLAIMS, *OTHERS], ids=kind)
def test_only_a_claim_has_the_item_sent_back(write: JournalWrite) -> None:
    """Given a journal of 400 KB, then a write that is applied brings none of it back unless its worker needs it."""
    asked = update("journal", write)
    assert asked["ReturnValues"] == ("ALL_NEW" if write in CLAIMS else "NONE")
    assert asked["ReturnValuesOnConditionCheckFailure"] == "ALL_OLD"


@asynchronous
async def test_the_newest_is_one_consistent_query_for_one_item() -> None:
    """Given any number of runs, then one call reads one item, strongly consistent."""
    calls, journal = scripted({"Items": [ITEM], "LastEvaluatedKey": key_attributes(KEY)})
    assert await journal.newest(KEY.id, KEY.accepted_at) == ENTRY
    ((operation, asked),) = calls.made
    assert operation == "Query"
    assert (asked["Limit"], asked["ScanIndexForward"], asked["ConsistentRead"]) == (1, False, True)


@asynchronous
async def test_runs_go_on_where_a_page_ends() -> None:
    """Given two pages, one of them empty, then both are read, consistently."""
    last = key_attributes(KEY)
    calls, journal = scripted({"Items": [], "LastEvaluatedKey": last}, {"Items": [ITEM]})
    assert list(await journal.runs(KEY.id, KEY.accepted_at)) == [ENTRY]
    assert [asked.get("ExclusiveStartKey") for _, asked in calls.made] == [None, last]
    assert all(asked["ConsistentRead"] for _, asked in calls.made)


def test_it_lets_go_of_its_calls() -> None:
    """Given a table that is closed, then so is what makes its calls."""
    calls, journal = scripted()
    journal.close()
    assert calls.closed


# What is answered


@asynchronous
async def test_a_refusal_tells_what_stands_in_the_way() -> None:
    """Given a failed condition with an item, and one without, then the journal is told, or that there is none."""
    code = "ConditionalCheckFailedException"
    _, journal = scripted(refused(code, item=ITEM), refused(code))
    assert await journal.write(OTHERS[0]) == Answer(applied=False, entry=ENTRY)
    assert await journal.write(OTHERS[0]) == Answer(applied=False)


@pytest.mark.parametrize(
    "message",
    [
        "Item size to update has exceeded the maximum allowed size",
        "Item size has exceeded the maximum allowed size",
        "ExpressionAttributeValues contains invalid value: Item size has exceeded the maximum allowed size for key :0",
    ],
)
@asynchronous
async def test_an_item_that_would_be_too_large_is_full(message: str) -> None:
    """Given the code of any validation, then the message makes the difference."""
    _, journal = scripted(refused("ValidationException", message=message))
    with pytest.raises(JournalFullError, match="table journal"):
        await journal.write(OTHERS[1])


@pytest.mark.parametrize(
    "code",
    [
        *sorted(TRANSIENT_AWS_CODES),
        "AccessDeniedException",
        "ExpiredTokenException",
        "ResourceNotFoundException",
        "SomethingNew",
        "UnrecognizedClientException",
        "ValidationException",
        "HTTP 413",
    ],
)
@asynchronous
async def test_any_other_error_leaves_the_request_open(code: str) -> None:
    """Given an error of service, table or role, or an unknown one, then nothing is known, and it is named."""
    calls, journal = scripted(refused(code, message="x"), *[refused(code)] * 2)
    with pytest.raises(TransientError, match=f"table journal: {code}"):
        await journal.write(OTHERS[0])
    with pytest.raises(TransientError, match=f"table journal: {code}"):
        await journal.newest(KEY.id, KEY.accepted_at)
    with pytest.raises(TransientError, match=f"table journal: {code}"):
        await journal.runs(KEY.id, KEY.accepted_at)
    assert len(calls.made) == 3  # whoever uses the port repeats


# The twin


@asynchronous
async def test_the_twin_tells_its_calls_before_it_makes_them() -> None:
    """Given a hook, then it is told each call, also one that is refused, and what it raises comes instead of it."""
    told: list[tuple[str, str]] = []

    def on_call(name: str, request_id: str) -> None:
        told.append((name, request_id))
        if len(told) == 3:
            raise TransientError("not now")

    twin = MemoryJournal(on_call)
    await twin.write(writes.begin(KEY, LEASE, attempt=0))
    await twin.write(writes.begin(KEY, LEASE, attempt=0))
    before = twin.entries(KEY.id)
    with pytest.raises(TransientError, match="not now"):
        await twin.write(writes.release(KEY, "a1"))
    assert twin.entries(KEY.id) == before
    await twin.newest(KEY.id, 17)
    await twin.runs(KEY.id, 17)
    assert told == [(name, KEY.id) for name in ("begin", "begin", "release", "newest", "runs")]


@asynchronous
async def test_what_was_seen_of_the_twin_does_not_change() -> None:
    """Given an item that was put and looked at, when it is written, then neither of these changes."""
    twin, placed = MemoryJournal(), {**ITEM, "steps": {"L": []}}
    twin.put(placed)
    seen = twin.items[KEY.id, KEY.sort]
    await twin.write(writes.finish(KEY, LEASE, index=0, step=Step(name="pay", result="1", at=5)))
    assert placed["steps"] == seen["steps"] == {"L": []}
    assert len(twin.entries(KEY.id)[0].steps) == 1
