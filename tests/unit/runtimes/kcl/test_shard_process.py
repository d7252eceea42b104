"""The shard process as the daemon meets it: a program behind two pipes."""

from pathlib import Path

import pytest

from dropslot.runtimes.kcl.orders import RELOAD_SIGNAL, STOP_SIGNAL
from tests.unit.runtimes.kcl.conversation import (
    IDLE,
    INITIALIZE,
    LEASE_LOST,
    SHARD_ENDED,
    SHUTDOWN_REQUESTED,
    Conversation,
    batch,
    checkpoint,
    status,
)

OURS = "our_shard.py"
STOCK = "stock_shard.py"


@pytest.mark.parametrize("goodbye", [[SHUTDOWN_REQUESTED, LEASE_LOST], [SHARD_ENDED], [LEASE_LOST]])
def test_says_the_same_as_the_stock_loop(tmp_path: Path, goodbye: list[dict[str, str]]) -> None:
    """On well-behaved input both loops exchange the same messages."""
    said = {}
    for program in (OURS, STOCK):
        folder = tmp_path / program
        folder.mkdir()
        with Conversation(program, folder) as daemon:
            said[program] = [
                daemon.ask(message) for message in (INITIALIZE, IDLE, batch("a", "b"), IDLE, IDLE, *goodbye)
            ]
            assert daemon.hang_up() == 0
    assert said[OURS] == said[STOCK]
    assert said[OURS][2] == [checkpoint("2"), status("processRecords")]


def test_loses_nothing_where_the_stock_loop_does(tmp_path: Path) -> None:
    """A batch that raises: the stock loop acknowledges it and later checkpoints past it; ours ends without a word."""
    (tmp_path / "stock").mkdir()
    with Conversation(STOCK, tmp_path / "stock") as daemon:
        daemon.ask(INITIALIZE)
        assert daemon.ask(batch("a", "raise", "never reached")) == [status("processRecords")]
        assert daemon.ask(batch("b", first=4)) == [checkpoint("4"), status("processRecords")]
        lost = {"3"} - {note["sequence_number"] for note in daemon.notes()}
        assert lost == {"3"}

    (tmp_path / "ours").mkdir()
    with Conversation(OURS, tmp_path / "ours") as daemon:
        daemon.ask(INITIALIZE)
        assert daemon.ask(batch("a", "raise", "never reached")) == []
        assert daemon.exit_code() == 70
        assert [line["event"] for line in daemon.log()][-1] == "shard_process_failed"
    # What the daemon does then: the lease starts again after its last checkpoint, and that is nowhere.
    (tmp_path / "again").mkdir()
    with Conversation(OURS, tmp_path / "again") as daemon:
        daemon.ask(INITIALIZE)
        daemon.ask(batch("a", "mended", "reached"))
        assert [note["sequence_number"] for note in daemon.notes() if "data" in note] == ["1", "2", "3"]


def test_checkpoints_only_what_is_resolved(tmp_path: Path) -> None:
    """A stuck record holds the checkpoint, however many come after it."""
    with Conversation(OURS, tmp_path, DROPSLOT_SHUTDOWN_GRACE_SECONDS="0.2") as daemon:
        daemon.ask(INITIALIZE)
        assert daemon.ask(batch("a", "stuck", "b")) == [checkpoint("1"), status("processRecords")]
        assert daemon.ask(batch("c", first=4)) == [status("processRecords")]
        assert daemon.ask(SHUTDOWN_REQUESTED) == [status("shutdownRequested")]


def test_shutdown_checkpoints_work_that_was_in_flight(tmp_path: Path) -> None:
    """What is resolved while the shutdown waits still counts."""
    with Conversation(OURS, tmp_path) as daemon:
        daemon.ask(INITIALIZE)
        daemon.ask(batch("a", "slow"))
        assert daemon.ask(SHUTDOWN_REQUESTED) == [checkpoint("2"), status("shutdownRequested")]
        assert daemon.beat()["state"] == "drained"
        assert daemon.ask(LEASE_LOST) == [status("leaseLost")]
        assert daemon.hang_up() == 0
        assert not list(tmp_path.glob("shard-*"))


def test_ended_shard_is_drained_and_closed(tmp_path: Path) -> None:
    """The checkpoint at the end of a shard has no sequence number, and is tried again when throttled."""
    with Conversation(OURS, tmp_path) as daemon:
        daemon.ask(INITIALIZE)
        daemon.ask(batch("slow"))
        daemon.errors = ["ThrottlingException", None]
        assert daemon.ask(SHARD_ENDED) == [checkpoint(None), checkpoint(None), status("shardEnded")]
        assert daemon.hang_up() == 0


def test_lost_lease_is_never_checkpointed(tmp_path: Path) -> None:
    """A refusal that says the lease is lost stops the work and all further checkpoints."""
    with Conversation(OURS, tmp_path) as daemon:
        daemon.ask(INITIALIZE)
        daemon.errors = ["ShutdownException"]
        assert daemon.ask(batch("a")) == [checkpoint("1"), status("processRecords")]
        assert daemon.ask(batch("b", first=2)) == [status("processRecords")]
        assert daemon.ask(SHUTDOWN_REQUESTED) == [status("shutdownRequested")]
        assert daemon.ask(LEASE_LOST) == [status("leaseLost")]
        assert {"abandoned": True} in daemon.notes()
        assert "b" not in [note.get("data") for note in daemon.notes()]


def test_passing_refusal_is_left_to_the_next_tick(tmp_path: Path) -> None:
    """A throttled checkpoint is no reason to hold the shard up."""
    with Conversation(OURS, tmp_path) as daemon:
        daemon.ask(INITIALIZE)
        daemon.errors = ["ThrottlingException"]
        assert daemon.ask(batch("a")) == [checkpoint("1"), status("processRecords")]
        assert daemon.ask(SHUTDOWN_REQUESTED) == [checkpoint("1"), status("shutdownRequested")]


def test_a_refusal_that_cannot_pass_ends_the_process(tmp_path: Path) -> None:
    """A sequence number that the daemon doesn't know is a bug: going on would hide it."""
    with Conversation(OURS, tmp_path) as daemon:
        daemon.ask(INITIALIZE)
        daemon.errors = ["IllegalArgumentException"]
        assert daemon.ask(batch("a")) == [checkpoint("1")]
        assert daemon.exit_code() == 76


@pytest.mark.parametrize("how", ["signal", "engine"])
def test_replaces_itself_without_losing_a_message(tmp_path: Path, how: str) -> None:
    """The fresh image answers the open message, under the same process id, and goes on reading the same pipes."""
    with Conversation(OURS, tmp_path) as daemon:
        daemon.ask(INITIALIZE)
        daemon.ask(batch("a"))
        if how == "signal":
            daemon.order(RELOAD_SIGNAL)
        last = "slow" if how == "signal" else "recycle"
        said = daemon.ask(batch("b", last, first=2))
        assert said[-1] == status("processRecords")
        assert checkpoint("3") in said
        assert daemon.ask(batch("c", first=4)) == [checkpoint("4"), status("processRecords")]
        started = [note["pid"] for note in daemon.notes() if "started" in note]
        assert started == [daemon.process.pid] * 2
        assert [note["data"] for note in daemon.notes() if "data" in note] == ["a", "b", last, "c"]
        assert daemon.ask(SHUTDOWN_REQUESTED) == [status("shutdownRequested")]
        assert daemon.ask(LEASE_LOST) == [status("leaseLost")]
        assert daemon.hang_up() == 0


def test_ends_rather_than_forget_an_unresolved_record(tmp_path: Path) -> None:
    """A replacement with work unresolved would lose it: the process ends, and the lease starts from its checkpoint."""
    limits = {"DROPSLOT_HANDLER_TIMEOUT_SECONDS": "0.1", "DROPSLOT_HANDLER_TRIES": "1"}
    with Conversation(OURS, tmp_path, **limits) as daemon:
        daemon.ask(INITIALIZE)
        assert daemon.ask(batch("a", "stuck", "recycle")) == [checkpoint("1")]
        assert daemon.exit_code() == 75


def test_output_of_a_handler_stays_out_of_the_protocol(tmp_path: Path) -> None:
    """What a handler prints reaches the log, and what it reads is empty."""
    with Conversation(OURS, tmp_path) as daemon:
        daemon.ask(INITIALIZE)
        assert daemon.ask(batch("print")) == [checkpoint("1"), status("processRecords")]
        assert {"read": ""} in daemon.notes()
        assert {"action": "status", "responseFor": "processRecords"} in daemon.log()


def test_gives_up_when_the_table_stays_out_of_reach(tmp_path: Path) -> None:
    """The batch isn't acknowledged, so it comes again."""
    with Conversation(OURS, tmp_path) as daemon:
        daemon.ask(INITIALIZE)
        assert daemon.ask(batch("a", "refuse")) == []
        assert daemon.exit_code() == 69


@pytest.mark.parametrize(
    "line",
    [
        b"not json\n",
        b'{"action":"dance"}\n',
        b'{"action":"processRecords","records":[{"data":"!!"}]}\n',
        b'{"action":"checkpoint","sequenceNumber":"1","error":null}\n',
        b'{"action":"initialize","shardId":"again"}\n',
        b"\xff\xfe\n",
    ],
)
def test_broken_input_ends_the_process_with_one_clear_line(tmp_path: Path, line: bytes) -> None:
    """No traceback, no status, and nothing of the line in the log."""
    with Conversation(OURS, tmp_path) as daemon:
        daemon.ask(INITIALIZE)
        assert daemon.ask(line) == []
        assert daemon.exit_code() == 76
        errors = [entry for entry in daemon.log() if entry["level"] == "ERROR"]
        assert [entry["event"] for entry in errors] == ["protocol_violation"]
        assert "trace" not in errors[0]


def test_ends_when_the_daemon_vanishes(tmp_path: Path) -> None:
    """No process outlives its daemon, and its heartbeat stays to tell of it."""
    with Conversation(OURS, tmp_path) as daemon:
        daemon.ask(INITIALIZE)
        assert daemon.hang_up() == 76
        assert list(tmp_path.glob("shard-*.json"))


def test_a_message_cut_off_is_no_message(tmp_path: Path) -> None:
    """Half a batch is never run."""
    with Conversation(OURS, tmp_path) as daemon:
        daemon.ask(INITIALIZE)
        daemon.send(b'{"action":"processRecords","records":[')
        assert daemon.hang_up() == 76


def test_ignores_signals_that_are_meant_for_the_daemon(tmp_path: Path) -> None:
    """A Ctrl-C, or a stop of the whole container, leaves the shutdown to the daemon."""
    with Conversation(OURS, tmp_path) as daemon:
        daemon.ask(INITIALIZE)
        daemon.process.send_signal(2)
        daemon.process.send_signal(15)
        assert daemon.ask(batch("a")) == [checkpoint("1"), status("processRecords")]


def test_reads_a_batch_larger_than_the_pipe(tmp_path: Path) -> None:
    """A line of several megabytes is put together from many reads."""
    with Conversation(OURS, tmp_path) as daemon:
        daemon.ask(INITIALIZE)
        words = ["x" * 100_000] * 50
        assert daemon.ask(batch(*words)) == [checkpoint("50"), status("processRecords")]
        assert len(daemon.notes()) == 51


def test_a_stop_cuts_the_open_batch_short(tmp_path: Path) -> None:
    """What wasn't started stays behind the checkpoint for the next worker, and so does all that comes later."""
    with Conversation(OURS, tmp_path) as daemon:
        daemon.ask(INITIALIZE)
        daemon.send(batch("a", "long", "never reached"))
        daemon.wait_for_note("long")
        daemon.order(STOP_SIGNAL)
        said = daemon.answers() + daemon.ask(batch("neither", first=4))
        assert daemon.beat()["state"] == "stopping"
        said += daemon.ask(SHUTDOWN_REQUESTED)
        # When the second is sent depends on when the answer to the first comes.
        assert [action for action in said if action["action"] == "checkpoint"] == [checkpoint("1"), checkpoint("2")]
        assert daemon.ask(LEASE_LOST) == [status("leaseLost")]
        assert daemon.hang_up() == 0
        assert [note["data"] for note in daemon.notes() if "data" in note] == ["a", "long"]


def test_a_shard_that_was_not_taken_whole_is_never_closed(tmp_path: Path) -> None:
    """Its end comes while a stop has cut it short: the next worker must still find the rest."""
    with Conversation(OURS, tmp_path) as daemon:
        daemon.ask(INITIALIZE)
        daemon.send(batch("long", "left out"))
        daemon.wait_for_note("long")
        daemon.order(STOP_SIGNAL)
        assert daemon.answers() == [checkpoint("1"), status("processRecords")]
        assert daemon.ask(SHARD_ENDED) == []
        assert daemon.exit_code() == 75


def test_a_shard_that_was_taken_whole_is_closed_amid_a_stop(tmp_path: Path) -> None:
    """Nothing is left out, so the children need not wait."""
    with Conversation(OURS, tmp_path) as daemon:
        daemon.ask(INITIALIZE)
        daemon.ask(batch("a"))
        daemon.order(STOP_SIGNAL)
        assert daemon.ask(IDLE) == [status("processRecords")]
        assert daemon.ask(SHARD_ENDED) == [checkpoint(None), status("shardEnded")]
        assert daemon.hang_up() == 0


def test_nothing_is_replaced_amid_a_stop(tmp_path: Path) -> None:
    """A fresh image would know nothing of the stop, and start what was left out."""
    with Conversation(OURS, tmp_path) as daemon:
        daemon.ask(INITIALIZE)
        daemon.order(STOP_SIGNAL)
        daemon.order(RELOAD_SIGNAL)
        assert daemon.ask(batch("left out")) == [status("processRecords")]
        assert daemon.ask(SHUTDOWN_REQUESTED) == [status("shutdownRequested")]
        assert len([note for note in daemon.notes() if "started" in note]) == 1
