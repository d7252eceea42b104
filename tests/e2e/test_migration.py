"""Both consumers at once on one table and one stream, as while a deployment goes from one to the other and back."""

import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import msgspec

from dropslot.core import names
from dropslot.local import consumer_state
from dropslot.local.clients import local_environment
from dropslot.local.guard import Guard
from dropslot.local.mapping.positions import POSITIONS_FILE
from dropslot.local.options import KCL, LAMBDA
from dropslot.local.parts import find_functions
from dropslot.local.process import Process, ProcessSpec
from dropslot.local.stack import CONSUMER
from tests.e2e.conftest import MAPPING, ROOT, SETTINGS, MakePipeline
from tests.e2e.handlers import RUN_LOG
from tests.e2e.lingering import BEGUN, BOTH, SIDE
from tests.e2e.pipeline import Pipeline, eventually, item_id

REQUESTS: Final = int(os.environ.get("MIGRATION_REQUESTS", "400"))
#: Of each phase before and after; enough for every shard.
FEW: Final = 40
#: Of the outcomes, while both are up. The handler decides who is first, so this shows that both bring them, and not
#: which of them is quicker here.
LEAST_SHARE: Final = 0.2
CHOSEN: Final = {
    **SETTINGS,
    "DROPSLOT_HANDLER": "tests.e2e.lingering:handle",
    # Above what a run waits for the other consumer's.
    "DROPSLOT_HANDLER_TIMEOUT_SECONDS": "25",
    # So that no run waits for another one.
    "DROPSLOT_CONCURRENCY": "200",
    # Nothing waits here: the servers have enough to do with two readers.
    "DROPSLOT_SWEEP_INTERVAL_SECONDS": "5",
}
CHOSEN_MAPPING: Final = replace(MAPPING, poll_seconds=0.25, sweep_every_seconds=5)


def test_either_consumer_can_join_and_either_can_go(
    make_pipeline: MakePipeline, tmp_path: Path, tell: Callable[[object], None]
) -> None:
    """Given containers at work, when functions join, then each brings part of the outcomes, and none comes twice.

    When the containers go, then functions bring everything; once they are back and the functions go, it is the other
    way round. What was settled before a consumer joined doesn't run again because of it.
    """
    (begun := tmp_path / "begun").mkdir()
    with make_pipeline({**CHOSEN, SIDE: KCL, BEGUN: str(begun)}, shards=2) as pipeline:
        feeds = pipeline.feeds()
        containers, functions = Path(pipeline.stack.info.state) / "consumer", tmp_path / "mapping"
        ids = _settle(pipeline, "containers alone", FEW)
        _await_brought(containers, functions, FEW)
        runs = pipeline.all_runs()

        with _mapping(pipeline, functions, begun):
            ids += (both := _settle(pipeline, BOTH, REQUESTS))
            _await_brought(containers, functions, FEW + REQUESTS)
            brought = {KCL: _brought(containers, KCL) - FEW, LAMBDA: _brought(functions, LAMBDA)}
            assert {key: pipeline.all_runs()[key] for key in runs} == runs
            runs = pipeline.all_runs()
            times = sum(len(runs[item_id("notes", one)]) for one in both)
            tell(f"both consumers at once: {brought} outcomes, {times / REQUESTS:.3f} handler runs a request")
            assert min(brought.values()) >= LEAST_SHARE * REQUESTS

            assert pipeline.stack.halt(CONSUMER) == 0
            ids += _settle(pipeline, "functions alone", FEW)
            runs = pipeline.all_runs()
            pipeline.stack.restart(CONSUMER)

        ids += _settle(pipeline, "containers alone again", FEW)
        assert {key: pipeline.all_runs()[key] for key in runs} == runs
        outcomes = _outcomes(pipeline.table_changes(feeds))
        assert {request_id for request_id, _ in outcomes} == {item_id("notes", one) for one in ids}
        assert set(outcomes.values()) == {1}


def _settle(pipeline: Pipeline, phase: str, count: int) -> list[str]:
    """Hand requests in and wait until all are done."""
    done = pipeline.stack.live_counts()[names.DONE]
    ids = pipeline.submit_all("notes", [f"{phase} {n}" for n in range(count)])
    eventually(lambda: pipeline.stack.live_counts()[names.DONE] == done + count, 180, lambda: f"{phase}: not all done")
    return ids


def _brought(state_dir: Path, consumer: str) -> int:
    """Return how many outcomes a consumer has written, by its own count."""
    return consumer_state.counted(state_dir)[consumer][names.DONE]


def _await_brought(containers: Path, functions: Path, total: int) -> None:
    """Wait until the consumers have told of all outcomes."""

    def brought() -> int:
        return _brought(containers, KCL) + _brought(functions, LAMBDA)

    eventually(lambda: brought() == total, 15, lambda: f"{brought()} of {total} outcomes are somebody's")


def _outcomes(changes: Sequence[Mapping[str, Any]]) -> Counter[tuple[str, int]]:
    """Count by item and attempt how often it was settled, or settled otherwise, as the table itself tells."""
    return Counter(
        (change["dynamodb"]["Keys"][names.ID]["S"], int(change["dynamodb"]["NewImage"][names.ATTEMPT]["N"]))
        for change in changes
        if _outcome(change, "NewImage") not in {None, _outcome(change, "OldImage")}
    )


def _outcome(change: Mapping[str, Any], image: str) -> tuple[str, str] | None:
    """Return what settled an item: the attribute that did, and its value."""
    attributes = change["dynamodb"].get(image, {})
    for name, kind in ((names.TTL, "N"), (names.ERROR, "S")):
        if name in attributes:
            return name, attributes[name][kind]
    return None


@contextmanager
def _mapping(pipeline: Pipeline, state_dir: Path, begun: Path) -> Iterator[None]:
    """Run the Lambda consumer beside the stack's own."""
    info = pipeline.stack.info
    state_dir.mkdir()
    variables = {
        **CHOSEN,
        SIDE: LAMBDA,
        BEGUN: str(begun),
        "DROPSLOT_TABLE": info.table,
        "DROPSLOT_JOURNAL": info.journal_table,
        RUN_LOG: str(pipeline.run_log),
        "PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH")))),
    }
    spec = ProcessSpec(
        name="mapping",
        command=(
            *(sys.executable, "-m", "dropslot.local.mapping", "--kinesis-endpoint", info.kinesis_endpoint),
            *("--stream", info.stream, "--region", info.region, "--functions", str(find_functions(ROOT))),
            *("--state-dir", str(state_dir), "--positions", str(state_dir / POSITIONS_FILE)),
            *("--failures", str(state_dir / "failures"), "--options", msgspec.json.encode(CHOSEN_MAPPING).decode()),
        ),
        environment=local_environment(
            {**os.environ, **variables},
            region=info.region,
            dynamodb_endpoint=info.dynamodb_endpoint,
            kinesis_endpoint=info.kinesis_endpoint,
        ),
        log=state_dir / "log",
        grace_seconds=30,
    )
    with Guard() as guard:
        process = Process.start(spec, guard)
        try:
            eventually(lambda: bool(consumer_state.shards_up(state_dir)), describe=lambda: "the mapping reads nothing")
            yield
            process.check()
        finally:
            process.stop()
