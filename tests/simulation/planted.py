"""Bugs that the simulation must find: each a small change to the product, for as long as its block runs."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Final
from unittest.mock import patch

import msgspec

from dropslot.adapters.requests.memory import MemoryRequests
from dropslot.adapters.requests.rows import attribute
from dropslot.core import names, transitions
from dropslot.core.item import State
from dropslot.core.policy import Done
from dropslot.core.transitions import Absent, Equals, Present, Write
from dropslot.core.watermark import Watermark
from dropslot.engine.execution import Execution
from dropslot.engine.ports import WriteResult
from dropslot.engine.run import Run
from dropslot.engine.shard import Shard
from dropslot.engine.sweep import Sweep
from dropslot.engine.window import Window
from dropslot.runtimes.kcl.processor import Processor

Bug = Callable[[], AbstractContextManager[None]]


def changed(write: Write, **fields: Any) -> Write:
    """Return a write with some of its fields changed."""
    values = {name: getattr(write, name) for name in ("transition", "id", "conditions", "sets", "removes")}
    return Write(**{**values, **fields})


@contextmanager
def done_needs_equal_attempt() -> Iterator[None]:
    """A success counts only for the attempt that ran."""
    real = transitions.done

    def done(state: State, outcome: Done, **rest: Any) -> Write:
        write = real(state, outcome, **rest)
        return changed(write, conditions=(*write.conditions, Equals(names.ATTEMPT, state.attempt)))

    with patch.object(transitions, "done", done):
        yield


@contextmanager
def sweep_without_conditions() -> Iterator[None]:
    """The sweep trusts the index, but for attempt and success."""
    real = transitions.redrive

    def redrive(row: Any, **rest: Any) -> Write:
        kept = (Equals(names.ATTEMPT, row.state.attempt), Absent(names.TTL))
        return changed(real(row, **rest), conditions=kept)

    with patch("dropslot.engine.sweep.redrive", redrive):
        yield


@contextmanager
def no_generation() -> Iterator[None]:
    """Writes take any request of the same id."""
    with patch.object(transitions, "_generation", lambda _: (Present(names.REQUEST),)):
        yield


@contextmanager
def checkpoint_early() -> Iterator[None]:
    """The checkpoint follows what was delivered."""
    real = Watermark.open

    def open_(self: Watermark, sequence_number: str) -> Any:
        entry = real(self, sequence_number)
        self._position = sequence_number
        return entry

    with patch.object(Watermark, "open", open_):
        yield


@contextmanager
def checkpoint_past_running() -> Iterator[None]:
    """A record counts as resolved as soon as its request runs."""
    real = Window.start

    def start(self: Window, run: Run) -> None:
        for entry in run.entries:
            self._watermark.resolve(entry)
        run.entries = []
        real(self, run)

    with patch.object(Window, "start", start):
        yield


@contextmanager
def exception_swallowed() -> Iterator[None]:
    """A batch whose processing raised is acknowledged, as by the stock loop."""
    real_submit, real_process = Shard.submit, Window._process

    async def submit(self: Shard, records: Sequence[Any]) -> None:
        try:
            await real_submit(self, records)
        except Exception:  # noqa: BLE001 - that is the bug
            self._watermark._position = records[-1].sequence_number

    async def process(self: Window, run: Run) -> None:
        try:
            await real_process(self, run)
        except Exception:  # noqa: BLE001 - that is the bug
            for entry in run.entries:
                self._watermark.resolve(entry)
            self._under_way.discard(run)
            self._slots.release()
            if not self._under_way:
                self._idle.set()

    with patch.object(Shard, "submit", submit), patch.object(Window, "_process", process):
        yield


@contextmanager
def no_read_before_run() -> Iterator[None]:
    """Old records run as if they were fresh."""
    real = Shard._start

    async def start(self: Shard, *args: Any, known_at_ms: float, **rest: Any) -> None:
        del known_at_ms
        await real(self, *args, known_at_ms=self._clock.now_ms(), **rest)

    with patch("dropslot.engine.shard.needs_read", lambda **_: False), patch.object(Shard, "_start", start):
        yield


@contextmanager
def ghost_making_write_back() -> Iterator[None]:
    """Outcomes are written without a condition, to an item that may be gone."""
    real_settle, real_write = transitions.settle, MemoryRequests._write

    def settle(*args: Any, **rest: Any) -> Write:
        return changed(real_settle(*args, **rest), conditions=())

    def write(self: MemoryRequests, write: Write) -> WriteResult:
        if not write.conditions and write.id not in self.items:
            self.put({name: attribute(value) for name, value in {names.ID: write.id, **write.sets}.items()})
            return WriteResult.APPLIED
        return real_write(self, write)

    with patch("dropslot.engine.execution.settle", settle), patch.object(MemoryRequests, "_write", write):
        yield


@contextmanager
def starts_not_counted() -> Iterator[None]:
    """A suspect runs like any other request."""

    async def count(self: Execution, run: Run) -> bool:
        del self
        run.state = msgspec.structs.replace(run.state, starts=0)
        return True

    with patch.object(Execution, "_count_start", count):
        yield


@contextmanager
def shard_end_without_drain() -> Iterator[None]:
    """An ended shard is closed while its last requests still run."""

    def end(self: Processor) -> None:
        self._checkpointer.close_shard()
        self._state = "drained"

    with patch.object(Processor, "_end_shard", end):
        yield


@contextmanager
def no_overdue_sweep() -> Iterator[None]:
    """The sweep forgets pending requests: what the stream skipped is lost."""
    real = Sweep._sweep

    async def only_waiting(self: Sweep, status: str, digit: str, grace_ms: int) -> int:
        return await real(self, status, digit, grace_ms) if status == names.WAITING else 0

    with patch.object(Sweep, "_sweep", only_waiting):
        yield


@contextmanager
def redrives_never_rarer() -> Iterator[None]:
    """The sweep redrives a pending request each time the grace is over."""
    with patch("dropslot.engine.sweep.next_due_at", lambda _, *, now_ms, **__: now_ms):
        yield


@contextmanager
def redrives_never_join() -> Iterator[None]:
    """A redrive of a request that is still under way starts it a second time."""

    def takes_over(self: Window, state: State, entry: Any) -> bool:
        if not self.has_started(state):
            return False
        self.resolve(entry, "duplicate")
        return True

    with patch.object(Window, "takes_over", takes_over):
        yield


@contextmanager
def obeys_the_record() -> Iterator[None]:
    """A request is run under the attempt of its record, as often as there are records, and redriven again and again."""
    with no_read_before_run(), redrives_never_rarer():
        yield


@contextmanager
def livelock() -> Iterator[None]:
    """The same, and a success counts only for that attempt: a backlog then makes more work than it loses."""
    with obeys_the_record(), done_needs_equal_attempt():
        yield


@contextmanager
def abandoned_shard_opens_entries() -> Iterator[None]:
    """A shard that was abandoned leaves one batch out and looks at the next: its position jumps the gap."""
    real = Shard.submit

    async def submit(self: Shard, records: Sequence[Any]) -> None:
        if self._left_out:
            for record in records:
                self._examine(record, self._watermark.open(record.sequence_number))
        await real(self, records)

    with patch.object(Shard, "submit", submit):
        yield


@contextmanager
def cut_batch_acknowledged() -> Iterator[None]:
    """A batch that a stop cut short counts as taken."""
    real = Shard.submit

    async def submit(self: Shard, records: Sequence[Any]) -> None:
        await real(self, records)
        if self._abandoned and records:
            self._watermark._position = records[-1].sequence_number

    with patch.object(Shard, "submit", submit):
        yield


@contextmanager
def shard_end_without_what_was_left_out() -> Iterator[None]:
    """A shard that was to stop claims its end, whatever of its last batch it hasn't taken."""
    with patch.object(Shard, "complete", property(lambda _: True)):
        yield


@contextmanager
def blames_too_early() -> Iterator[None]:
    """A request is failed as killer of its worker after one death."""
    with patch("dropslot.engine.execution.MAX_STARTS", 2):
        yield


#: Every bug by its name.
BUGS: Final[Mapping[str, Bug]] = {
    bug.__name__: bug
    for bug in (
        done_needs_equal_attempt,
        sweep_without_conditions,
        no_generation,
        checkpoint_early,
        checkpoint_past_running,
        exception_swallowed,
        no_read_before_run,
        ghost_making_write_back,
        starts_not_counted,
        shard_end_without_drain,
        no_overdue_sweep,
        redrives_never_rarer,
        redrives_never_join,
        livelock,
        abandoned_shard_opens_entries,
        cut_batch_acknowledged,
        shard_end_without_what_was_left_out,
        blames_too_early,
    )
}
