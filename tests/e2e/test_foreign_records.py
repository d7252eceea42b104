"""Records that no healthy stream brings: the pipeline counts or handles them and goes on."""

import json
import time
import uuid
from collections.abc import Iterator
from typing import Any, Final

import pytest

from dropslot.core import names
from dropslot.local.options import KCL
from dropslot.local.relay.record import partition_key
from tests.e2e.pipeline import Feeds, Pipeline, Record, eventually, item_id

HOUR_US: Final = 3_600_000_000


@pytest.fixture
def healthy(pipeline: Pipeline) -> Iterator[Pipeline]:
    """The shared stack; at the end it must still process requests, with the processes it had, and checkpoint."""
    pids = pipeline.stack.shard_pids()
    yield pipeline
    ids = pipeline.submit_all("notes", [f"{n} after foreign records" for n in range(10)])
    assert {state["status"] for state in pipeline.settled("notes", ids).values()} == {"done"}
    assert all(pipeline.runs("notes", request_id) == [0] for request_id in ids)
    pipeline.await_checkpoints()
    assert pipeline.stack.shard_pids() == pids


def _now_us() -> int:
    return time.time_ns() // 1000


def _records_of(pipeline: Pipeline, type_name: str, body: str) -> tuple[str, Record, Record]:
    """Hand in a request, wait for its outcome, and return its id with the records of its accept and its outcome."""
    feeds = pipeline.feeds()
    request_id = pipeline.submit(type_name, body)
    pipeline.outcome(type_name, request_id)
    key = item_id(type_name, request_id)

    eventually(lambda: len(_feed_of(pipeline, feeds, key)) == 2, 60)
    accepted, settled = _feed_of(pipeline, feeds, key)
    return request_id, accepted, settled


def _feed_of(pipeline: Pipeline, feeds: Feeds, key: str) -> list[Record]:
    """Return an item's records, without those by which the Lambda consumer may have counted a start."""
    ours = [each for each in pipeline.records(feeds) if each.change["dynamodb"]["Keys"]["id"]["S"] == key]
    return [each for each in ours if not _counts_start(each.change["dynamodb"].get("NewImage", {}))]


def _counts_start(image: dict[str, Any]) -> bool:
    return names.STARTS in image and image["status"]["S"].startswith(names.PENDING)


def _changed(record: Record, *, created_epoch_us: int | None = None, **image: Any) -> Record:
    """Return a record with another creation time and other attributes in its new image."""
    change = record.change
    if created_epoch_us is not None:
        change["dynamodb"]["ApproximateCreationDateTime"] = created_epoch_us
    change["dynamodb"]["NewImage"] |= image
    if "id" in image:
        change["dynamodb"]["Keys"] = {"id": image["id"]}
    return Record(key=partition_key(change["dynamodb"]["Keys"]), data=json.dumps(change).encode())


def test_records_of_other_shapes_are_counted_and_skipped(healthy: Pipeline) -> None:
    """Given records that are no JSON, cut off, or JSON of another shape, then each is counted, none runs anything."""
    request_id, accepted, _ = _records_of(healthy, "notes", "the original")
    before = healthy.counters()
    cuts = range(0, len(accepted.data), max(1, len(accepted.data) // 20))
    broken = [
        *(accepted.data[:cut] for cut in cuts if cut),
        b"\x00\xff\xfe",
        b"not JSON",
        b'{"eventName": "INSERT"',
        b'{"x":' * 20_000,
        accepted.data + b"}",
        b"\xef\xbb\xbf" + accepted.data,
    ]
    change = accepted.change
    shapes: list[Any] = [
        None,
        17,
        "text",
        [],
        [[[[[]]]]],
        {},
        [change],
        {**change, "tableName": "another"},
        {**change, "tableName": None},
        {**change, "eventName": "TRUNCATE"},
        {**change, "dynamodb": None},
        {**change, "dynamodb": {}},
        {**change, "dynamodb": {**change["dynamodb"], "ApproximateCreationDateTime": "now"}},
        {**change, "dynamodb": {k: v for k, v in change["dynamodb"].items() if k != "NewImage"}},
        *(
            {**change, "dynamodb": {**change["dynamodb"], "NewImage": {**change["dynamodb"]["NewImage"], name: value}}}
            for name, value in [
                ("id", {"N": "1"}),
                ("id", {"S": ""}),
                ("id", {"S": "x" * 3000}),
                ("request", {"B": "AAAA"}),
                ("status", {"S": "pending"}),
                ("status", {"S": "pending-z"}),
                ("status", {"S": "lost-0"}),
                ("attempt", {"N": "1e3"}),
                ("attempt", {"N": "-1"}),
                ("accepted_at", {"N": "9" * 38}),
                ("accepted_at", {"S": "1"}),
                ("headers", {"M": {"X": {"L": []}}}),
                ("headers", {"S": "X"}),
                ("request", None),
            ]
        ),
        *(
            {
                **change,
                "dynamodb": {
                    **change["dynamodb"],
                    "NewImage": {k: v for k, v in change["dynamodb"]["NewImage"].items() if k != name},
                },
            }
            for name in ("id", "request", "accepted_at", "attempt", "status")
        ),
    ]

    healthy.inject([Record(key=uuid.uuid4().hex, data=data) for data in broken])
    healthy.inject([Record(key=uuid.uuid4().hex, data=json.dumps(shape).encode()) for shape in shapes])

    let_through = sum(isinstance(shape, dict) and shape.get("eventName") == "INSERT" for shape in shapes)
    healthy.await_counted(
        before,
        filtered={
            "records": len(broken) + len(shapes) - let_through,
            "broken": len(broken),
            "foreign": len(shapes) - let_through,
        },
        records=len(broken) + len(shapes),
        broken=len(broken),
        foreign=len(shapes),
        handler_runs=0,
    )
    assert healthy.runs("notes", request_id) == [0]


def assert_not_repeated(pipeline: Pipeline, type_name: str, request_id: str, attempts: list[int]) -> None:
    """Check that a request was run once in each attempt, or, where no memory catches young duplicates, in no other."""
    runs = pipeline.runs(type_name, request_id)
    assert runs == attempts if pipeline.stack.info.consumer == KCL else set(runs) == set(attempts)


def test_copies_of_records_run_nothing_again(healthy: Pipeline) -> None:
    """Given copies of a settled request's records, near and late, in any order and shard, then nothing changes.

    Young ones may run the handler again under Lambda, whose environments share no memory; its outcome is refused.
    """
    request_id, accepted, settled = _records_of(healthy, "notes", "once only")
    item = healthy.item("notes", request_id)
    late = _changed(accepted, created_epoch_us=_now_us() - HOUR_US)
    elsewhere = [Record(key=uuid.uuid4().hex, data=late.data) for _ in range(8)]
    before, feeds = healthy.counters(), healthy.feeds()

    healthy.inject([accepted, settled, accepted, late, settled, late, *elsewhere])

    healthy.await_counted(before, filtered={"records": 2, "not_pending": 2}, records=14, not_pending=2, done=0)
    assert_not_repeated(healthy, "notes", request_id, [0])
    assert healthy.item("notes", request_id) == item
    assert healthy.table_changes(feeds) == []


def test_records_of_a_retried_request_in_another_order_change_nothing(healthy: Pipeline) -> None:
    """Given a request that was retried, when its records come again in another order, then it isn't run again."""
    request_id = healthy.task("retry_later", times=1, seconds=2)
    healthy.await_status("tasks", request_id, "waiting")
    feeds = healthy.feeds()
    healthy.outcome("tasks", request_id)

    key = item_id("tasks", request_id)
    # That it waits is in the table before the stream has it, so that record may be among them, too.
    eventually(
        lambda: any(names.TTL in each.change["dynamodb"]["NewImage"] for each in _feed_of(healthy, feeds, key)), 60
    )
    redriven, settled = _feed_of(healthy, feeds, key)[-2:]
    before = healthy.counters()

    healthy.inject([settled, redriven, settled])

    healthy.await_counted(before, filtered={"records": 2}, records=3, done=0)
    assert_not_repeated(healthy, "tasks", request_id, [0, 1])
    assert healthy.state("tasks", request_id)["attempt"] == 1


def test_a_removal_runs_nothing(healthy: Pipeline) -> None:
    """Given an item that is deleted, really and in a forged record, then nothing runs or comes back."""
    request_id, accepted, _ = _records_of(healthy, "notes", "to be deleted")
    before = healthy.counters()
    key = item_id("notes", request_id)
    healthy.dynamodb.delete_item(TableName=healthy.stack.info.table, Key={"id": {"S": key}})
    removal = accepted.change | {"eventName": "REMOVE"}
    removal["dynamodb"]["OldImage"] = removal["dynamodb"].pop("NewImage")

    healthy.inject([Record(key=accepted.key, data=json.dumps(removal).encode())])
    healthy.inject([_changed(accepted, created_epoch_us=_now_us() - HOUR_US)])

    healthy.await_counted(before, filtered={"records": 2, "removed": 2}, records=3, removed=2, handler_runs=0)
    assert healthy.item("notes", request_id) is None
    assert healthy.http.get(f"/notes/{request_id}").status_code == 404


def test_images_of_no_request_make_no_ghosts(healthy: Pipeline) -> None:
    """Given images of requests that the table doesn't have, young and old, then no outcome makes an item of one."""
    _, accepted, _ = _records_of(healthy, "notes", "the original")
    bodies = {
        "notes": "no task",
        "tasks": json.dumps({"do": "reject"}),
        "async-tasks": json.dumps({"do": "return", "value": 1}),
        "large": "waits at first",
    }
    young = list(_ghosts(accepted, bodies, age_us=0))
    old = list(_ghosts(accepted, bodies, age_us=HOUR_US))
    before, feeds = healthy.counters(), healthy.feeds()

    healthy.inject([*young, *old])

    # A record that was just made isn't looked up first; its outcome then finds no item.
    healthy.await_counted(
        before,
        # A change that raises no attempt.
        filtered={"records": 8, "handler_runs": 4, "superseded": 4, "gone": 4},
        records=16,
        handler_runs=8,
        superseded=8,
        gone=8,
        done=0,
        failed=0,
        waiting=0,
    )
    for record in (*young, *old):
        assert healthy.item_of(record.change["dynamodb"]["Keys"]["id"]["S"]) is None
    assert healthy.table_changes(feeds) == []


def _ghosts(accepted: Record, bodies: dict[str, str], *, age_us: int) -> Iterator[Record]:
    for event in ("INSERT", "MODIFY"):
        for type_name, body in bodies.items():
            record = _changed(
                accepted,
                created_epoch_us=_now_us() - age_us,
                id={"S": item_id(type_name, uuid.uuid4().hex)},
                type={"S": type_name},
                request={"S": body},
            )
            yield Record(key=record.key, data=json.dumps(record.change | {"eventName": event}).encode())


@pytest.mark.parametrize(("age_us", "counter"), [(0, "superseded"), (HOUR_US, "gone")])
def test_an_old_generation_never_reaches_the_new_one(healthy: Pipeline, age_us: int, counter: str) -> None:
    """Given a key used again after deletion, when the old request's record comes, then the new one stays as it is."""
    key = f"generation-{age_us}"
    waits = json.dumps({"do": "retry_later", "times": 1, "seconds": 12})
    healthy.submit("tasks", waits, key=key, content_type="application/json")
    state = healthy.await_status("tasks", key, "waiting")
    item = healthy.item("tasks", key)
    _, accepted, _ = _records_of(healthy, "notes", "the original")
    old = _changed(
        accepted,
        created_epoch_us=_now_us() - age_us,
        id={"S": item_id("tasks", key)},
        type={"S": "tasks"},
        request={"S": json.dumps({"do": "return", "value": ["of the old one"]})},
        accepted_at={"N": str(state["accepted_at"] - 1)},
    )
    before = healthy.counters()

    healthy.inject([old])

    healthy.await_counted(before, filtered=None, **{"done": 0, counter: 1})
    assert healthy.item("tasks", key) == item
    assert healthy.outcome("tasks", key)["result"] == {"attempt": 1}
