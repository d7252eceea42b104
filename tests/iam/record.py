"""Records what each role needs in all that a pipeline goes through: `python -m tests.iam.record`, ten minutes."""

import argparse
import logging
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from dropslot.local.stack import CONSUMER as CONSUMER_PROCESS
from tests.chaos.patience import eventually
from tests.chaos.proxy import THROTTLES
from tests.chaos.worker import Worker
from tests.conftest import FreshTable
from tests.iam import snapshot
from tests.iam.calls import Need
from tests.iam.feedback import push_outcomes
from tests.iam.operators import operate
from tests.iam.pipeline import (
    APPLICATION,
    HANDLER,
    STREAM_FUNCTION,
    SWEEP_FUNCTION,
    TYPE,
    Pipeline,
    running_pipeline,
)
from tests.integration.lambda_.conftest import Deployed
from tests.unit.core.images import image
from tests.unit.runtimes.lambda_.stand import event

log = logging.getLogger("record")

_LIMIT_SECONDS: Final = 180.0
#: KCL looks once a minute for leases of ended shards, and drops them when they have been ended for five.
_CLEANUP_SECONDS: Final = 600.0
_HASH_KEYS: Final = 1 << 128
_FORCED: Final = {"attempt": 1, "floor": 1}
_STATISTICS: Final = f"{APPLICATION}-WorkerMetricStats"


def accept_and_settle(pipeline: Pipeline) -> None:
    """Bring each answer of the API, and each end of a request."""
    pipeline.send("again")
    pipeline.send("again")
    for key, wish in (("rejected", "reject"), ("later", "wait")):
        pipeline.send(key, wish)
    other = pipeline.http.put(f"/{TYPE}", json={"do": "sleep"}, headers={"Idempotency-Key": "again"})
    assert other.status_code == 422, other.status_code
    assert pipeline.http.post(f"/{TYPE}", json={"do": "work"}).status_code == 202
    assert pipeline.http.get(f"/{TYPE}/nobody").status_code == 404
    pipeline.await_done("again")
    eventually(
        lambda: pipeline.state("rejected").get("status") == "failed" and pipeline.state("later").get("attempt", 0) > 0,
        _LIMIT_SECONDS,
        lambda: "rejected isn't failed, or later isn't redriven",
    )


def work_in_steps(pipeline: Pipeline) -> None:
    """Have requests worked on in steps, at once, resumed, undone and restored, and ask how far each has got."""
    for key, wish in (("stepping", "steps"), ("resumed", "resume"), ("undone", "undo")):
        pipeline.send(key, wish)
    # As `replay --force` brings back what was gone: its earlier runs are looked for.
    now_ms = time.time_ns() // 1_000_000
    times = {"accepted_at": now_ms, "due_at": now_ms}
    restored = image(f"-#{TYPE}#restored", request='{"do": "steps"}', type=TYPE, **times, **_FORCED)
    pipeline.dynamodb.put_item(TableName=pipeline.stack.info.table, Item=restored)
    pipeline.await_done("stepping", "resumed", "restored")
    eventually(
        lambda: pipeline.state("undone").get("status") == "failed", _LIMIT_SECONDS, lambda: "undone isn't failed"
    )
    for key, closed in (("stepping", "done"), ("resumed", "done"), ("undone", "undone")):
        told = pipeline.http.get(f"/{TYPE}/{key}/steps")
        assert (told.status_code, told.json().get("closed")) == (200, closed), told.text
    assert pipeline.http.get(f"/{TYPE}/nobody/steps").status_code == 404


def throttle(pipeline: Pipeline) -> None:
    """Have DynamoDB refuse two of five calls for as long as requests take to be settled."""
    pipeline.proxy.misbehave(THROTTLES)
    try:
        _settle_some(pipeline, "throttled")
    finally:
        pipeline.proxy.misbehave(())


def reshard(pipeline: Pipeline) -> None:
    """Split a shard, read its children, and merge them again."""
    stream = pipeline.stack.info.stream
    (whole,) = _open_shards(pipeline)
    pipeline.kinesis.split_shard(StreamName=stream, ShardToSplit=whole, NewStartingHashKey=str(_HASH_KEYS // 2))
    _await_shards(pipeline, 2)
    _settle_some(pipeline, "split")
    left, right = sorted(_open_shards(pipeline))
    pipeline.kinesis.merge_shards(StreamName=stream, ShardToMerge=left, AdjacentShardToMerge=right)
    _await_shards(pipeline, 1)
    _settle_some(pipeline, "merged")


def outlive(pipeline: Pipeline) -> None:
    """Wait until KCL has cleared away the lease of a shard that has ended, and the statistics of a worker that died."""

    def rows(table: str) -> int:
        return int(pipeline.dynamodb.scan(TableName=table, Select="COUNT")["Count"])

    before = rows(APPLICATION)
    eventually(
        lambda: rows(APPLICATION) < before and rows(_STATISTICS) == 1,
        _CLEANUP_SECONDS,
        lambda: f"{rows(APPLICATION)} leases of {before} are left, and {rows(_STATISTICS)} statistics",
    )


def share(pipeline: Pipeline) -> None:
    """Let a second worker join and die."""
    worker = Worker(pipeline.folder / "second", pipeline.environment, pipeline.guard)
    try:
        worker.join(_LIMIT_SECONDS)
        eventually(
            lambda: pipeline.dynamodb.scan(TableName=_STATISTICS, Select="COUNT")["Count"] > 1,
            _LIMIT_SECONDS,
            lambda: "the second worker reports no statistics",
        )
    finally:
        worker.die()
    _settle_some(pipeline, "shared")


def crash(pipeline: Pipeline) -> None:
    """Kill the daemon, whose lock on the leadership the supervisor must then give up."""
    killed = pipeline.stack.info.pids["daemon"]
    os.kill(killed, signal.SIGKILL)
    eventually(
        lambda: pipeline.stack.info.pids.get("daemon", killed) != killed,
        _LIMIT_SECONDS,
        lambda: "no other daemon runs",
    )
    _settle_some(pipeline, "crashed")


def stop_and_start(pipeline: Pipeline) -> None:
    """Stop the consumer in order, and start it on the leases that there are."""
    pipeline.stack.halt(CONSUMER_PROCESS)
    pipeline.send("missed")
    pipeline.stack.restart(CONSUMER_PROCESS)
    pipeline.await_done("missed")


def run_functions(pipeline: Pipeline) -> None:
    """Invoke the functions of the Lambda variant with what they must read, run, park and redrive."""
    # Else it settles what is theirs.
    pipeline.stack.halt(CONSUMER_PROCESS)
    info = pipeline.stack.info
    table = FreshTable(name=info.table, stream_arn="", endpoint=info.dynamodb_endpoint)
    functions = Deployed(table, pipeline.dynamodb, pipeline.folder)
    try:
        with pipeline.recorder.tapped(STREAM_FUNCTION, pipeline.proxy.url, pipeline.places) as tap:
            stream = functions.function(
                "dropslot_stream.handler",
                AWS_ENDPOINT_URL_DYNAMODB=tap,
                DROPSLOT_HANDLER=HANDLER,
                DROPSLOT_JOURNAL=info.journal_table,
            )
            wishes = ("work", "reject", "wait", "steps", "undo", "resume")
            records = [functions.accept(f"f#{wish}", {"do": wish}) for wish in wishes]
            records.append(functions.accept("f#restored", {"do": "steps"}, **_FORCED))
            # A second delivery is read before it is run.
            for batch in (records, records):
                answer = stream.invoke(event(*batch))
                assert answer == {"returned": {"batchItemFailures": []}}, answer
        with pipeline.recorder.tapped(SWEEP_FUNCTION, pipeline.proxy.url, pipeline.places) as tap:
            sweep = functions.function("dropslot_sweep.handler", AWS_ENDPOINT_URL_DYNAMODB=tap)
            answer = sweep.invoke({}, seconds=9)
            assert answer is not None
            assert answer["returned"]["redriven"] > 0, answer
    finally:
        functions.close()


STORIES: Final[Sequence[Callable[[Pipeline], None]]] = (
    accept_and_settle,
    work_in_steps,
    throttle,
    reshard,
    share,
    crash,
    stop_and_start,
    outlive,
    operate,
    run_functions,
    push_outcomes,
)
#: A day, and half a minute, are too long to wait for.
_HASTE: Final = {
    "DROPSLOT_KCL_PROPERTIES": "staleWorkerMetricsEntryCleanupDuration=PT40S,workerMetricsReporterFreqInMillis=5000"
}


#: With it leases aren't prepared: KCL makes its tables, its index and the leases by itself.
_ALONE: Final = {"DROPSLOT_KCL_PROPERTIES": "initialPositionInStream=TRIM_HORIZON"}


def record(folder: Path) -> dict[str, set[Need]]:
    """Go through everything; return what was needed, by role."""
    log.info("start alone")
    with running_pipeline(folder / "alone", settings=_ALONE) as alone:
        _settle_some(alone, "alone")
    with running_pipeline(folder / "stories", settings=_HASTE) as pipeline:
        for story in STORIES:
            log.info("%s", story.__name__)
            story(pipeline)
    recorded = pipeline.recorder.recorded
    for role, seen in alone.recorder.recorded.items():
        recorded[role] |= seen
    return recorded


def record_one(folder: Path, story: Callable[[Pipeline], None]) -> dict[str, set[Need]]:
    """Go through one story; return what was needed, by role."""
    with running_pipeline(folder / "stories", settings=_HASTE) as pipeline:
        story(pipeline)
    return pipeline.recorder.recorded


def main() -> int:
    """Make a recording and write the snapshot, adding to what it has or in its place."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--anew", action="store_true", help="forget what the snapshot has")
    parser.add_argument("--story", choices=[story.__name__ for story in STORIES], help="only this one; adds to it")
    arguments = parser.parse_args()
    logging.basicConfig(format="%(asctime)s %(message)s")
    log.setLevel(logging.INFO)
    folder = Path(tempfile.mkdtemp(prefix="dropslot-iam-"))
    log.info("logs are in %s", folder)
    story = next((story for story in STORIES if story.__name__ == arguments.story), None)
    recorded = record(folder) if story is None else record_one(folder, story)
    if story is not None or not arguments.anew:
        for role, seen in snapshot.read().items():
            recorded.setdefault(role, set()).update(seen)
    snapshot.write(recorded)
    log.info("%d needs of %d roles", sum(map(len, recorded.values())), len(recorded))
    return 0


def _settle_some(pipeline: Pipeline, name: str) -> None:
    keys = [f"{name}-{number}" for number in range(6)]
    for key in keys:
        pipeline.send(key)
    pipeline.await_done(*keys)


def _open_shards(pipeline: Pipeline) -> set[str]:
    shards = pipeline.kinesis.list_shards(StreamName=pipeline.stack.info.stream)["Shards"]
    return {shard["ShardId"] for shard in shards if "EndingSequenceNumber" not in shard["SequenceNumberRange"]}


def _await_shards(pipeline: Pipeline, count: int) -> None:
    def read() -> bool:
        opened = _open_shards(pipeline)
        return len(opened) == count and opened <= pipeline.shards_up()

    eventually(read, _LIMIT_SECONDS, lambda: f"{_open_shards(pipeline)} are open, {pipeline.shards_up()} are read")


if __name__ == "__main__":
    sys.exit(main())
