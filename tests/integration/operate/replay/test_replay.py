"""`dropslot replay` over split and merged shards of a real stream, and a real table."""

import base64
import json
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from tests.chaos.proxy import Proxy
from tests.integration.operate.operator import run
from tests.integration.operate.replay.history import Author
from tests.integration.operate.replay.scenario import (
    FAST,
    FORCED,
    OVERDUE,
    ctrl_c_skips_and_repeats_nothing,
    once_more,
    settled_stays_so,
)
from tests.integration.operate.replay.stage import Stage, acted_on, classes, started, wait_for
from tests.unit.core.images import Image, data, image, record

LEDGER: Final = Path(".dropslot", "replay.jsonl")


def test_what_is_settled_stays_so_unless_it_is_forced(stage: Stage, tell: Callable[[object], None]) -> None:
    """Given 1,000 records: classes that add up; the overdue run again, once; by force the done and the gone, once."""
    settled_stays_so(stage, stage.happened(1_000, reshards=True), tell)


def test_failed_ones_run_again_when_asked_for(stage: Stage) -> None:
    """Given failed requests, --failed gives them an attempt and a fresh schedule, as `dropslot retry` does."""
    history = stage.happened(60)
    failed = history.keys(Author.failed)

    assert run("replay", "--failed", *FAST).code == 0

    items = stage.items()
    assert {
        (items[key]["status"]["S"][:-2], items[key]["attempt"]["N"], items[key]["tries"]["N"]) for key in failed
    } == {("pending", "1", "0")}
    assert {items[key]["last_error"]["S"] for key in failed} == {"KeyError: 'dish'"}


def test_what_was_deleted_by_hand_comes_back_by_its_name_only(stage: Stage) -> None:
    """Given requests that somebody deleted, --force leaves them, and --id brings the one back that it names."""
    history = stage.happened(60)
    deleted = sorted(history.keys(Author.deleted))

    assert run("replay", "--force", *FAST).code == 0
    assert not stage.items().keys() & set(deleted)
    outcome = run("replay", "--force", "--id", deleted[0], *FAST)

    assert outcome.code == 0, outcome.all
    assert "1 deleted by hand and named by --id" in outcome.all
    assert stage.items().keys() & set(deleted) == {deleted[0]}
    left_out = history.classes.total() - 2
    assert classes(outcome) == {"gone": 1, "ours": 1, "left_out": left_out}


def test_ctrl_c_and_the_same_command_again_neither_skip_nor_repeat(stage: Stage) -> None:
    """Given a forced run that is stopped, and requests that are done again meanwhile, each gets one attempt more."""
    history = stage.happened(300, reshards=True)
    expected = once_more(history, *OVERDUE, *FORCED)

    ctrl_c_skips_and_repeats_nothing(stage, expected, after=5, tell=print)

    assert not LEDGER.exists()


@pytest.mark.parametrize(("rate", "pieces"), [("5", 0), ("50", 2)], ids=["in its first piece", "later"])
def test_a_killed_run_goes_on_without_a_repeat(stage: Stage, rate: str, pieces: int) -> None:
    """Given a run killed between a write and its note, and requests that are done meanwhile, none runs twice."""
    history = stage.happened(150)
    expected = once_more(history, *OVERDUE, *FORCED)
    words = ("replay", "--force", "--yes", "--json")
    before = stage.attempts()

    output = Path("killed.jsonl")
    with started(*words, "--rate", rate, out=output) as process:
        wait_for(process, lambda: stage.attempts() != before)
        wait_for(process, lambda: LEDGER.read_text().count('"position"') >= pieces)
        process.kill()
    stage.settle({key for key, now in stage.attempts().items() if before.get(key) != now})
    resumed = run(*words, "--rate", "10000")

    assert resumed.code == 0, resumed.all
    assert {key: attempt for key, attempt in stage.attempts().items() if key in expected} == expected
    more, total = acted_on(resumed.out)
    assert total["fates"]["redriven"] == len(expected)
    before_it = {json.loads(line)["id"] for line in output.read_text().splitlines(keepends=True) if line.endswith("\n")}
    assert bool(before_it) == bool(pieces)
    assert before_it | {line["id"] for line in more} == expected.keys()


def test_what_happens_after_a_stop_is_left_alone(stage: Stage) -> None:
    """Given requests that are deleted or settled after Ctrl-C, the same command neither restores nor runs them."""
    now_ms = time.time_ns() // 1_000_000
    keys = [f"-#orders#{number:03}" for number in range(120)]
    *_, told, untold, late = keys
    items = {key: image(key, status="done-a", ttl=now_ms // 1000 + 80_000) for key in keys}
    stage.put(*(items | {late: image(late, due_at=now_ms)}).values())
    stage.tell(*(_change(stage, image(key)) for key in keys))

    with started("replay", "--force", "--yes", "--rate", "20", out=Path("stopped.txt")) as process:
        wait_for(process, lambda: stage.attempts()[keys[0]] == 1)
        process.send_signal(signal.SIGINT)
        process.communicate()
    assert set(stage.attempts().values()) == {0, 1}
    for key in (told, untold):
        assert run("requests", "delete", key, "--yes").code == 0
    stage.tell(_change(stage, None, items[told]))
    stage.put(items[late])
    resumed = run("replay", "--force", "--yes", "--rate", "10000")

    assert resumed.code == 0, resumed.all
    left = set(keys) - {told, untold, late}
    assert stage.attempts() == dict.fromkeys(left, 1) | {late: 0}
    assert stage.items()[late] == items[late]


def test_all_that_the_stream_tells_of_what_is_gone_counts(stage: Stage) -> None:
    """Given deletions before a request's own record, and behind --to, none comes back; nor does an attempt."""
    early, late, attempted = (image(f"-#orders#{name}") for name in ("early", "late", "attempted"))
    done = {**attempted, "attempt": {"N": "4"}, "status": {"S": "done-a"}, "ttl": {"N": "1760000005"}}
    shard, number = stage.tell(
        _change(stage, None, early),
        _change(stage, done, {**attempted, "attempt": {"N": "4"}}),
        *(_change(stage, one) for one in (early, late, attempted)),
    )
    stage.tell(_change(stage, None, late))

    outcome = run("replay", "--force", "--yes", "--shard", shard, "--to", number)

    assert outcome.code == 0, outcome.all
    assert "gone, and stay away unless --id names them: 2 deleted by hand" in outcome.all
    assert stage.attempts() == {"-#orders#attempted": 5}


def test_documents_bring_back_only_what_is_named(stage: Stage) -> None:
    """Given a document of requests that are gone, which can't tell why, --force restores what --id names, alone."""
    names = ("-#orders#forgotten", "-#orders#done")
    kinesis = [
        {
            "sequenceNumber": str(number),
            "approximateArrivalTimestamp": 1_760_000_000,
            "data": base64.b64encode(_change(stage, image(name))).decode(),
        }
        for number, name in enumerate(names)
    ]
    payload = json.dumps({"Records": [{"kinesis": one} for one in kinesis]})
    Path("given-up.json").write_text(json.dumps({"payload": payload}))
    words = ("replay", "--failures", "given-up.json", "--force", "--yes")

    every = run(*words)
    assert every.code == 0, every.all
    assert "stay away unless --id names them: 2 went for a reason that no record read tells" in every.all
    assert stage.items() == {}
    one = run(*words, "--id", names[1])
    assert one.code == 0, one.all
    assert stage.attempts() == {names[1]: 1}


def _change(stage: Stage, new: Image | None, old: Image | None = None) -> bytes:
    return data(record(new, old, table=stage.table))


def test_a_stream_that_throttles_is_read_all_the_same(proxied: tuple[Stage, Proxy]) -> None:
    """Given a stream that throttles two reads of three, and every second iterator, each record is read once."""
    stage, proxy = proxied
    history = stage.happened(60)
    throttling = {"code": "ProvisionedThroughputExceededException", "status": 400}
    proxy.misbehave(
        [
            {"service": "kinesis", "operation": operation, "error": throttling, "sequence": {"fail": fail, "pass": 1}}
            for operation, fail in (("GetRecords", 2), ("GetShardIterator", 1))
        ]
    )

    outcome = run("replay", "--dry-run", "--json")

    assert outcome.code == 0, outcome.all
    assert classes(outcome) == history.classes
    assert proxy.struck() > 0
