"""What a clean run leaves behind: one INSERT and one outcome for each request, and nothing in front of a checkpoint."""

from collections import Counter
from typing import Any

from dropslot.core import names
from dropslot.local.options import LAMBDA
from tests.e2e.pipeline import Pipeline, item_id

REQUESTS = 200
STARTED = "start counted"


def test_a_clean_run_makes_one_insert_one_outcome_and_one_run_for_each_request(pipeline: Pipeline) -> None:
    """Given 200 requests of which a quarter is rejected, then the feed and the runs show nothing but what they need.

    No run was caused by the consumer's own writes: each came back through the stream and was counted as such, by the
    consumer or by the filters in front of it.
    """
    pipeline.await_quiet()
    before, feeds = pipeline.counters(), pipeline.feeds()
    bodies = [f'{{"do": "{"reject" if n % 4 == 0 else "return"}", "value": {n}}}' for n in range(REQUESTS)]

    ids = pipeline.submit_all("tasks", bodies, content_type="application/json")

    states = pipeline.settled("tasks", ids)
    assert Counter(state["status"] for state in states.values()) == {"done": 150, "failed": 50}
    pipeline.await_counted(
        before,
        filtered={"records": REQUESTS, "not_pending": REQUESTS},
        records=2 * REQUESTS,
        handler_runs=REQUESTS,
        not_pending=REQUESTS,
        done=150,
        failed=50,
        superseded=0,
    )
    ours = {item_id("tasks", request_id) for request_id in ids}
    streamed = _kinds(record.change for record in pipeline.records(feeds))
    assert streamed == _kinds(pipeline.table_changes(feeds))
    if pipeline.stack.info.consumer == LAMBDA:
        # An invocation can't know whether an older record was delivered before: then its start is counted first.
        streamed = Counter({change: times for change, times in streamed.items() if change[1] != STARTED})
    assert streamed == {(key, kind): 1 for key in ours for kind in ("accepted", "settled")}
    runs = pipeline.all_runs()
    assert {key: runs[key] for key in ours} == {key: [0] for key in ours}


def test_checkpoints_stand_at_the_last_record_once_all_is_settled(pipeline: Pipeline) -> None:
    """Given requests done, failed and retried, when all are settled, then nothing is left behind any checkpoint."""
    done, retried = pipeline.submit_all("notes", ["a", "b", "c"]), [pipeline.task("flaky", failures=2)]
    pipeline.settled("notes", done)
    pipeline.settled("tasks", retried)

    pipeline.await_checkpoints()


def _kinds(changes: Any) -> Counter[tuple[str, str]]:
    """Count changes by item and kind; anything but an accept and an outcome keeps the names of what it is."""
    kinds: Counter[tuple[str, str]] = Counter()
    for change in changes:
        image = change["dynamodb"].get("NewImage", {})
        kind = f"{change['eventName']} {image.get('status', {}).get('S', '')[:-2]}"
        if kind == "MODIFY pending" and names.STARTS in image:
            kind = STARTED
        elif kind == "INSERT pending":
            kind = "accepted"
        elif kind in {"MODIFY done", "MODIFY failed"} and ("ttl" in image) != ("error" in image):
            kind = "settled"
        kinds[change["dynamodb"]["Keys"]["id"]["S"], kind] += 1
    return kinds
