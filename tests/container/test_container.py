"""The consumer in its container, on the local stack's servers."""

import json
import signal
import time
from typing import Final

from dropslot.local.stack import CONSUMER
from dropslot.runtimes.kcl.heartbeat import read_shard_beats
from tests.container.conftest import SETTINGS, Stand
from tests.container.handlers import BUSY_PREFIX
from tests.e2e.pipeline import APPLICATION, eventually

MENU: Final = {"funghi": 1100, "margherita": 950, "fugu": None}
#: What a stop may take on top of the grace: the daemon's own end and the engine's.
STOP_MARGIN_SECONDS: Final = 15.0
#: A minute and one try of a handler, after which the check must speak; the supervisor kills the process at 95 s.
STUCK_SECONDS: Final = 90.0


def _order(dish: str) -> str:
    return json.dumps({"restaurant": "Da Enzo", "items": [{"dish": dish, "quantity": 1}]})


def test_it_is_locked_up(stand: Stand) -> None:
    """Given the container, when its first process is looked at, then it has no root and no capability.

    It can write to its state folder and to /tmp only, and there are neither pip nor compilers to get further with.
    """
    lines = stand.container.shell("cat /proc/1/status").stdout.splitlines()
    status = {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
    tried = {
        folder: stand.container.shell(f"touch {folder}/written && rm {folder}/written").returncode == 0
        for folder in ("/", "/etc", "/opt/dropslot", "/srv/dropslot/app", "/var/lib/dropslot", "/tmp")
    }
    found = stand.container.shell("command -v gcc make git mvn javac; ls /opt/dropslot/bin/pip*").stdout

    assert status["Name"] == "dropslot"
    assert set(status["Uid"].split()) | set(status["Gid"].split()) == {"10001"}
    assert {status[f"Cap{kind}"] for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb")} == {"0" * 16}
    assert status["NoNewPrivs"] == "1"
    assert {folder for folder, written in tried.items() if written} == {"/var/lib/dropslot", "/tmp"}
    assert found == ""


def test_it_settles_requests(stand: Stand) -> None:
    """Given orders that can be made and some that can't, when they are handed in, then each ends as it has to."""
    dishes = [*MENU] * 10

    request_ids = stand.pipeline.submit_all("orders", map(_order, dishes), content_type="application/json")

    states = stand.pipeline.settled("orders", request_ids)
    for dish, request_id in zip(dishes, request_ids, strict=True):
        state = states[request_id]
        if MENU[dish] is None:
            assert (state["status"], state["error"]) == ("failed", "'fugu' is not on the menu")
        else:
            assert (state["status"], state["result"]["total_cents"]) == ("done", MENU[dish])
    assert stand.container.health().returncode == 0


def test_a_stop_finishes_what_runs(stand: Stand) -> None:
    """Given requests that run, when the container gets SIGTERM, then they are done, and it ends with 0 in time.

    It has checkpointed: the next container takes over where it ended, and runs none of them again.
    """
    pipeline, stack = stand.pipeline, stand.pipeline.stack
    request_ids = pipeline.submit_all("tasks", ["{}"] * 5, content_type="application/json")
    eventually(lambda: _runs(stand) == len(request_ids))
    asked = time.monotonic()
    try:
        exit_code = stack.halt(CONSUMER)
        took_seconds = time.monotonic() - asked
        states = [pipeline.state("tasks", request_id) for request_id in request_ids]
        unread = _accepted_past_the_checkpoint(stand)
    finally:
        stack.restart(CONSUMER)

    assert exit_code == 0
    assert took_seconds < float(SETTINGS["DROPSLOT_SHUTDOWN_GRACE_SECONDS"]) + STOP_MARGIN_SECONDS
    assert [(state["status"], state["result"]) for state in states] == [("done", {"finished": True})] * 5
    assert unread == []
    assert pipeline.outcome("orders", _submit(stand, "funghi"))["status"] == "done"
    assert _runs(stand) == len(request_ids)


def test_a_stuck_shard_makes_it_unhealthy(stand: Stand) -> None:
    """Given a healthy container, when a shard's process is stopped, then the health check names it until it goes on."""
    (beat,) = read_shard_beats(stand.state_dir)
    healthy = stand.container.health()
    assert healthy.returncode == 0, healthy.stdout + healthy.stderr

    # Process ids in the heartbeats are those of the container.
    assert stand.container.shell(f"kill -{signal.SIGSTOP} {beat.pid}").returncode == 0
    try:
        eventually(lambda: stand.container.health().returncode != 0, STUCK_SECONDS)
        unhealthy = stand.container.health()
    finally:
        stand.container.shell(f"kill -{signal.SIGCONT} {beat.pid}")

    assert (unhealthy.returncode, unhealthy.stdout.count("\n")) == (1, 1)
    assert f"shards are stuck: {beat.shard_id}" in unhealthy.stdout
    eventually(lambda: stand.container.health().returncode == 0)


def _runs(stand: Stand) -> int:
    return len(list(stand.state_dir.glob(f"{BUSY_PREFIX}*")))


def _accepted_past_the_checkpoint(stand: Stand) -> list[str]:
    """Return the items whose first record a next worker would read; write-backs may come after the last checkpoint."""
    pipeline, stream = stand.pipeline, stand.pipeline.stack.info.stream
    (shard,) = pipeline.kinesis.list_shards(StreamName=stream)["Shards"]
    lease = pipeline.dynamodb.get_item(TableName=APPLICATION, Key={"leaseKey": {"S": shard["ShardId"]}})["Item"]
    iterator = pipeline.kinesis.get_shard_iterator(
        StreamName=stream,
        ShardId=shard["ShardId"],
        ShardIteratorType="AFTER_SEQUENCE_NUMBER",
        StartingSequenceNumber=lease["checkpoint"]["S"],
    )["ShardIterator"]
    changes = [json.loads(record["Data"]) for record in pipeline.kinesis.get_records(ShardIterator=iterator)["Records"]]
    return [change["dynamodb"]["Keys"]["id"]["S"] for change in changes if change["eventName"] == "INSERT"]


def _submit(stand: Stand, dish: str) -> str:
    return stand.pipeline.submit("orders", _order(dish), content_type="application/json")
