"""A crowd's day: all connect at once, all hand in and watch while nothing runs, then everything runs at once."""

import asyncio
import os
import statistics
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

from dropslot.core import names
from dropslot.local.clients import dynamodb_client
from dropslot.local.mapping.positions import POSITIONS_FILE, disabling_file
from dropslot.local.options import LAMBDA, StackOptions
from dropslot.local.stack import NOTIFY, SOCKET, Stack
from tests.crowd.member import TYPE, Member

_ROOT: Final = Path(__file__).parents[2]
#: Clients that hand in at once: what is measured is the WebSocket API, not the HTTP one.
_SENDERS: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What happened.

    Args:
        clients: how many there were.
        connected: how many got a connection.
        watched: how many had their watch answered.
        answered: how many were told their outcome by that answer.
        pushed: how many were pushed their outcome.
        asked: how many had to ask for it.
        lost: how many never learned it, or another's.
        waits_ms: of each push, from the outcome's write to its arrival.
        connect_seconds: until all were connected.
        hand_in_seconds: then until all had handed in.
        watch_seconds: then until all watches were confirmed.
        outcome_seconds: then until all had their outcome.
        server_mib: memory of the WebSocket server, before, with all connections, and at the end.
        notify_mib: memory of the functions that push and of what invokes them, at the end.
    """

    clients: int
    connected: int
    watched: int
    answered: int
    pushed: int
    asked: int
    lost: int
    waits_ms: Sequence[int]
    connect_seconds: float
    hand_in_seconds: float
    watch_seconds: float
    outcome_seconds: float
    server_mib: tuple[float, float, float]
    notify_mib: float

    def wait_ms(self, percent: int) -> int:
        """Return a percentile of the waits."""
        if len(self.waits_ms) < 2:
            return next(iter(self.waits_ms), 0)
        return round(statistics.quantiles(self.waits_ms, n=100, method="inclusive")[percent - 1])

    def __str__(self) -> str:
        """Tell it in a few lines."""
        before, connected, end = self.server_mib
        return (
            f"{self.clients} clients: {self.connected} connected, {self.watched} watched; pushed {self.pushed}, "
            f"told by the watch's answer {self.answered}, asked for {self.asked}, lost {self.lost}\n"
            f"outcome written to message received: p50 {self.wait_ms(50)} ms, p99 {self.wait_ms(99)} ms\n"
            f"connected in {self.connect_seconds:.1f} s, handed in within {self.hand_in_seconds:.1f} s, watched within "
            f"{self.watch_seconds:.1f} s; then the consumer began: all were told after {self.outcome_seconds:.1f} s\n"
            f"memory of the WebSocket server: {before:.0f} MiB, {connected:.0f} with all connections, {end:.0f} at the "
            f"end; of what pushes: {self.notify_mib:.0f} MiB"
        )


@contextmanager
def running_stack(folder: Path) -> Iterator[Stack]:
    """Run what `dropslot up --consumer lambda --feedback` runs, with all of its defaults."""
    python_path = os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH"))))
    options = StackOptions(
        handler="tests.crowd.handlers:echo",
        config=Path(__file__).with_name("dropslot.toml"),
        log_dir=folder / "logs",
        consumer=LAMBDA,
        feedback=True,
        consumer_env={"PYTHONPATH": python_path},
    )
    with Stack(options, os.environ) as stack:
        yield stack
        stack.check()


async def run_crowd(stack: Stack, clients: int, *, patience_seconds: float = 60.0) -> Report:
    """Let a crowd loose on a running stack.

    Args:
        stack: with the Lambda consumer and feedback; nothing else may use it.
        clients: how many.
        patience_seconds: how long each waits for each answer, and for a push before it asks.
    """
    url, socket_pid = stack.info.websocket_url, stack.info.pids[SOCKET]
    assert url is not None
    paused = disabling_file(Path(stack.info.state) / POSITIONS_FILE)
    async with httpx.AsyncClient(base_url=stack.info.url, timeout=patience_seconds, trust_env=False) as http:
        crowd = [Member(f"client-{number}", http, patience_seconds=patience_seconds) for number in range(clients)]
        empty_mib = _memory_mib(socket_pid)
        connect_seconds = await _each(lambda member: member.connect(url), crowd)
        full_mib = _memory_mib(socket_pid)
        # Nothing settles before it is watched: then only a push can be early.
        paused.touch()
        hand_in_seconds = await _each(Member.hand_in, crowd, at_once=_SENDERS)
        watch_seconds = await _each(Member.watch, crowd)
        paused.unlink()
        outcome_seconds = await _each(Member.wait, crowd)
        server_mib = (empty_mib, full_mib, _memory_mib(socket_pid))
        notify_mib = sum(_memory_mib(pid) for name, pid in stack.info.pids.items() if NOTIFY in name)
        await _each(Member.close, crowd)
    written_ms = _written_ms(stack)
    pushed_at_ms = {member.name: member.pushed_at_ms for member in crowd if member.pushed_at_ms is not None}
    return Report(
        clients=clients,
        connected=sum(member.connected for member in crowd),
        watched=sum(member.watched for member in crowd),
        answered=sum(member.answered for member in crowd),
        pushed=len(pushed_at_ms),
        asked=sum(member.asked for member in crowd),
        lost=sum(member.lost for member in crowd),
        waits_ms=[at_ms - written_ms[name] for name, at_ms in pushed_at_ms.items()],
        connect_seconds=connect_seconds,
        hand_in_seconds=hand_in_seconds,
        watch_seconds=watch_seconds,
        outcome_seconds=outcome_seconds,
        server_mib=server_mib,
        notify_mib=notify_mib,
    )


async def _each(
    do: Callable[[Member], Awaitable[None]], crowd: Sequence[Member], *, at_once: int | None = None
) -> float:
    """Have clients do something, so many or all at once; return the seconds until all had."""
    room = asyncio.Semaphore(at_once if at_once is not None else len(crowd))

    async def one(member: Member) -> None:
        async with room:
            await do(member)

    began = time.monotonic()
    await asyncio.gather(*(one(member) for member in crowd))
    return time.monotonic() - began


def _written_ms(stack: Stack) -> dict[str, int]:
    """Return when each client's outcome was written."""
    with closing(dynamodb_client(stack.info.dynamodb_endpoint)) as client:
        pages = client.get_paginator("scan").paginate(TableName=stack.info.table, ConsistentRead=True)
        items = [item for page in pages for item in page["Items"] if item[names.ID]["S"].startswith(names.NO_CALLER)]
    return {item[names.ID]["S"].partition(f"#{TYPE}#")[2]: int(item[names.DUE_AT]["N"]) for item in items}


def _memory_mib(pid: int) -> float:
    """Return what a process holds."""
    told = subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, text=True, check=True)
    return int(told.stdout) / 1024
