"""The stack as a whole: comes up, is loopback only, notices deaths, leaves nothing behind."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from websockets.sync.client import connect

from dropslot.local.clients import dynamodb_client, kinesis_client
from dropslot.local.errors import LocalStackError, ProcessDiedError
from dropslot.local.guard import descendants
from dropslot.local.options import StackOptions
from dropslot.local.process import is_running
from dropslot.local.stack import Stack
from tests.integration.local.streams import all_records

pytestmark = pytest.mark.usefixtures("needs_parts")

LOOPBACK_ONLY = {"0100007F", "0000000000000000FFFF00000100007F"}
STAND_IN = (sys.executable, str(Path(__file__).with_name("stand_in_consumer.py")))


@pytest.fixture
def stack(work_dir: Path) -> Iterator[Stack]:
    """A running stack with a stand-in for the consumer."""
    with Stack(
        StackOptions(consumer_command=STAND_IN, shards=2, ready_file=work_dir / "ready.json"), os.environ
    ) as stack:
        yield stack


def test_the_ready_file_says_where_everything_is(stack: Stack, work_dir: Path) -> None:
    """Given a stack that is up, its ready file holds working addresses and the ids of running processes."""
    ready = json.loads((work_dir / "ready.json").read_bytes())

    assert ready["table"] == "requests"
    assert ready["stream"] == "requests"
    assert set(ready["pids"]) >= {"dynamodb", "kinesis", "relay", "gateway", "consumer"}
    assert all(is_running(pid) for pid in ready["pids"].values())
    assert httpx.get(f"{ready['url']}/requests/no-such-id", trust_env=False).status_code in {403, 404}
    assert ready == json.loads(msgspec.json.encode(stack.info))


def test_steps_have_their_table(stack: Stack) -> None:
    """Given a stack that is up, the table of steps is there, and the API and the consumer know it."""
    journal = stack.info.journal_table
    assert journal == "requests-journal"
    with closing(dynamodb_client(stack.info.dynamodb_endpoint)) as client:
        item: dict[str, Any] = {"id": {"S": "-#requests#a"}, "run": {"S": "1764381600000#0002"}, "steps": {"L": []}}
        client.put_item(TableName=journal, Item=item)
    told = httpx.get(f"{stack.info.url}/requests/a/steps", trust_env=False)
    assert (told.status_code, told.json()["run"]) == (200, 2), told.text
    told = httpx.get(f"{stack.info.url}/requests/b/steps", trust_env=False)
    assert (told.status_code, told.json()["error"]) == (404, "no_steps"), told.text
    consumer = Path(stack.info.logs) / "consumer.log"
    assert f"journal: {journal}\n" in consumer.read_text()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/net/tcp")
def test_all_processes_listen_on_loopback_only(stack: Stack) -> None:
    """Given a stack that is up, none of its processes listens on an address that another machine can reach."""
    listening = _listening(stack.info.pids.values())

    assert len(listening) >= 3
    assert set(listening) <= LOOPBACK_ONLY


def _listening(pids: Iterable[int]) -> list[str]:
    """Return the addresses that processes listen on, as the kernel writes them."""
    inodes = {
        str(link.readlink())
        for pid in pids
        for link in Path(f"/proc/{pid}/fd").iterdir()
        if link.is_symlink() and os.path.lexists(link)
    }
    return [
        fields[1].rpartition(":")[0]
        for table in ("/proc/net/tcp", "/proc/net/tcp6")
        for fields in (line.split() for line in Path(table).read_text().splitlines()[1:])
        if fields[3] == "0A" and f"socket:[{fields[9]}]" in inodes
    ]


def test_stopping_leaves_no_process(work_dir: Path) -> None:
    """Given a stack whose consumer has children in other groups, when it stops, then nothing of it runs on."""
    stack = Stack(StackOptions(consumer_command=STAND_IN), os.environ)
    with stack:
        pids = dict(stack.info.pids)

    assert {name for name, pid in pids.items() if is_running(pid)} == set()
    assert not list(work_dir.glob("ready.json"))


def test_killing_the_owner_leaves_no_process(work_dir: Path) -> None:
    """Given `Stack` in a process of its own, when that is killed with SIGKILL, then what it started ends too."""
    ready = work_dir / "ready.json"
    script = (
        "import os, sys, time; from pathlib import Path; from dropslot.local.options import StackOptions; "
        "from dropslot.local.stack import Stack; "
        "options = StackOptions(consumer_command=tuple(sys.argv[2:]), ready_file=Path(sys.argv[1]), feedback=True); "
        "Stack(options, os.environ).start(); time.sleep(600)"
    )
    owner = subprocess.Popen([sys.executable, "-c", script, str(ready), *STAND_IN], cwd=work_dir)
    try:
        _eventually(ready.exists, 60)
        told = json.loads(ready.read_bytes())
        with connect(told["websocket_url"], proxy=None):  # so that there is a function, too
            pids = set(told["pids"].values())
            pids |= descendants(pids)
            owner.kill()
            owner.wait()
    finally:
        owner.kill()
        owner.wait()
    _eventually(lambda: not any(map(is_running, pids)), 20)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/net/tcp")
def test_feedback_is_part_of_the_stack(work_dir: Path) -> None:
    """Given a stack with feedback, then its server can be reached on loopback, starts anew, and ends with the rest."""
    options = StackOptions(consumer_command=STAND_IN, feedback=True, ready_file=work_dir / "ready.json")
    with Stack(options, os.environ) as stack:
        ready = json.loads((work_dir / "ready.json").read_bytes())
        assert ready["connections_table"] == "connections"
        assert set(ready["pids"]) >= {"socket", "notify"}
        assert _hears_of(stack, "unknown")
        assert set(_listening(stack.info.pids.values())) <= LOOPBACK_ONLY

        for name in ("socket", "notify"):
            stack.kill(name)
            stack.restart(name)
            assert stack.info.pids[name] != ready["pids"][name]
        assert _hears_of(stack, "unknown")
        pids = set(stack.info.pids.values())
        pids |= descendants(pids)

    assert {pid for pid in pids if is_running(pid)} == set()


def _hears_of(stack: Stack, status: str) -> bool:
    with connect(str(stack.info.websocket_url), proxy=None) as client:
        client.send(json.dumps({"action": "watch", "type": "requests", "ids": ["never-sent"]}))
        return bool(json.loads(client.recv(timeout=30))["status"] == status)


def test_a_death_is_reported_with_the_end_of_its_log(stack: Stack) -> None:
    """Given a running stack, when one process dies, then the error names it, its signal and its log."""
    stack.check()
    os.kill(stack.info.pids["relay"], signal.SIGKILL)

    _eventually(lambda: "relay" not in stack.info.pids, 5)
    with pytest.raises(ProcessDiedError, match=r"relay was ended by signal 9; its log is .*relay\.log") as died:
        stack.check()
    assert "relay_started" in str(died.value)


def test_a_killed_relay_loses_nothing(stack: Stack) -> None:
    """Given writes before, while and after the relay is dead, when it is started again, then all are in the stream."""
    with_ids = {f"request-{number}" for number in range(300)}
    table = dynamodb_client(stack.info.dynamodb_endpoint)
    kinesis = kinesis_client(stack.info.kinesis_endpoint)
    for number, request_id in enumerate(sorted(with_ids)):
        if number in {100, 200}:
            stack.kill("relay")
        table.put_item(TableName="requests", Item={"id": {"S": request_id}, "status": {"S": "pending-0"}})
        if number in {150, 200}:
            stack.restart("relay")
    stack.check()

    def arrived() -> set[str]:
        return {each["record"]["dynamodb"]["Keys"]["id"]["S"] for each in all_records(kinesis, "requests")}

    _eventually(lambda: arrived() == with_ids, 20)
    _eventually(lambda: stack.live_counts()["pending"] == 300, 5)
    assert stack.live_counts() == {"pending": 300, "waiting": 0, "failed": 0, "done": 0}


def test_servers_in_memory_are_not_restarted(stack: Stack) -> None:
    """Given data in memory, a restart of a server is refused: it would come back empty."""
    with pytest.raises(LocalStackError, match="in memory"):
        stack.restart("dynamodb")


def test_a_persistent_stack_goes_on_where_it_stopped(work_dir: Path) -> None:
    """Given a stack with a folder, when it is stopped and started, then table and stream are there, records once."""
    options = StackOptions(consumer_command=STAND_IN, persist=work_dir / "data")
    with Stack(options, os.environ) as stack:
        _put_and_wait(stack, "first")
        with pytest.raises(LocalStackError, match="another stack runs"):
            Stack(options, os.environ)
    with Stack(options, os.environ) as stack:
        _put_and_wait(stack, "second")
        assert _ids_in_stream(stack) == ["first", "second"]
        assert stack.live_counts()["pending"] == 2


def test_a_persistent_stack_survives_a_kill(work_dir: Path) -> None:
    """Given a persistent stack whose servers are killed, when it is started again, then the stream has every change."""
    options = StackOptions(consumer_command=STAND_IN, persist=work_dir / "data")
    with Stack(options, os.environ) as stack:
        _put_and_wait(stack, "first")
        stack.kill("kinesis")
        stack.kill("dynamodb")
    with Stack(options, os.environ) as stack:
        _put_and_wait(stack, "second")
        assert _ids_in_stream(stack) == ["first", "second"]
        assert stack.live_counts()["pending"] == 2


def _put_and_wait(stack: Stack, request_id: str) -> None:
    table = dynamodb_client(stack.info.dynamodb_endpoint)
    table.put_item(TableName="requests", Item={"id": {"S": request_id}, "status": {"S": "pending-0"}})
    _eventually(lambda: request_id in _ids_in_stream(stack), 10)


def _ids_in_stream(stack: Stack) -> list[str]:
    kinesis = kinesis_client(stack.info.kinesis_endpoint)
    try:
        return [each["record"]["dynamodb"]["Keys"]["id"]["S"] for each in all_records(kinesis, "requests")]
    finally:
        kinesis.close()


def _eventually(condition: Callable[[], bool], timeout_seconds: float) -> None:
    deadline = time.monotonic() + timeout_seconds
    while not condition():
        assert time.monotonic() < deadline, "it didn't happen in time"
        time.sleep(0.02)
