"""What the mapping delivers, in which batches and in which order."""

import logging
import os
import zlib
from typing import Any

import pytest

from dropslot.local.mapping.positions import SHARD_END
from tests.integration.mapping.conftest import Mapped


def wishes(*numbers: int, **wish: Any) -> list[dict[str, Any]]:
    """Return wishes of these numbers."""
    return [{"n": number, **wish} for number in numbers]


def test_batches_come_in_order_to_one_warm_environment(mapped: Mapped) -> None:
    """Given five records that may run, one that may not, and batches of two, then three invocations, one process."""
    mapped.put(*wishes(1, 2))
    mapped.put({"n": 99, "eventName": "REMOVE"})
    numbers = mapped.put(*wishes(3, 4, 5))

    mapped.run_to_end(*numbers, batch_size=2)

    assert mapped.batches() == [[1, 2], [3, 4], [5]]
    assert len({note["pid"] for note in mapped.invocations()}) == 1
    assert all(29_000 < note["remaining_ms"] <= 30_000 for note in mapped.invocations())
    assert mapped.given_up() == []


def test_a_window_gathers_what_comes_late(mapped: Mapped) -> None:
    """Given a window, when a second record comes while the first waits in it, then both are one batch."""
    first = mapped.put(*wishes(1))
    added: list[str] = []

    def both_delivered() -> bool:
        # The mapping has started, and the first record is older than any pause between reads.
        if not added and (mapped.folder / "mapping.json").exists():
            added.extend(mapped.put(*wishes(2)))
        return [*first, *added][-1] in mapped.positions().values() and bool(added)

    mapped.run(both_delivered, batching_window_seconds=2)

    assert mapped.batches() == [[1, 2]]


def test_a_batch_stays_below_the_payload_limit(mapped: Mapped) -> None:
    """Given six records of 900 KB, which are 1.2 MB each in an event, then no invocation gets more than five."""
    numbers = mapped.put(*wishes(*range(6), padding="x" * 900_000))

    mapped.run_to_end(*numbers)

    assert [number for batch in mapped.batches() for number in batch] == list(range(6))
    assert max(map(len, mapped.batches())) <= 5


def test_parallel_batches_of_a_shard_keep_the_order_of_each_key(mapped: Mapped) -> None:
    """Given two lanes, when one key's batch takes long, then the other's don't wait, and none overtakes its own."""
    slow, quick = (next(key for key in "abcdefgh" if zlib.crc32(key.encode()) % 2 == lane) for lane in (0, 1))
    mapped.put({"n": 1, "do": "sleep", "seconds": 1}, {"n": 2}, key=slow)
    mapped.put(*wishes(11, 12, 13), key=quick)
    (last,) = mapped.put({"n": 3}, key=slow)

    mapped.run_to_end(last, batch_size=1, parallelization=2)

    order = [number for batch in mapped.batches() for number in batch]
    assert [number for number in order if number < 10] == [1, 2, 3]
    assert [number for number in order if number > 10] == [11, 12, 13]
    assert order.index(13) < order.index(2)
    assert len({note["pid"] for note in mapped.invocations()}) == 2


def test_a_later_start_goes_on_where_the_last_one_stopped(mapped: Mapped) -> None:
    """Given a mapping that was stopped, when it starts again with its positions, then only what is new is delivered."""
    mapped.run_to_end(*mapped.put(*wishes(1, 2)))
    numbers = mapped.put(*wishes(3))

    mapped.run_to_end(*numbers)

    assert mapped.batches() == [[1, 2], [3]]


def test_a_mapping_can_begin_now(mapped: Mapped) -> None:
    """Given records from before, when a mapping starts with the latest, then only what comes afterwards is delivered.

    When it starts again, then it goes on where it stopped.
    """
    mapped.put(*wishes(1, 2))
    began: list[str] = []

    def delivered() -> bool:
        if not began and mapped.reading():
            began.extend(mapped.put(*wishes(3)))
        return bool(began) and began[-1] in mapped.positions().values()

    mapped.run(delivered, starting_position="LATEST")
    mapped.run_to_end(*mapped.put(*wishes(4)), starting_position="LATEST")

    assert mapped.batches() == [[3], [4]]


def test_children_of_a_split_shard_are_read_from_their_first_record(mapped: Mapped) -> None:
    """Given a mapping that began with the latest, when the shard is split, then no record of its children is missed."""
    (parent,) = (shard["ShardId"] for shard in mapped.client.list_shards(StreamName=mapped.stream)["Shards"])
    keys = ("a", "b", "c", "d", "e", "f")
    split: list[str] = []

    def delivered() -> bool:
        if not split and mapped.reading():
            mapped.client.split_shard(StreamName=mapped.stream, ShardToSplit=parent, NewStartingHashKey=str(2**127))
            mapped.client.get_waiter("stream_exists").wait(StreamName=mapped.stream, WaiterConfig={"Delay": 1})
            split.extend(number for n, key in enumerate(keys) for number in mapped.put({"n": n}, key=key))
        return bool(split) and sum(map(len, mapped.batches())) == len(keys)

    mapped.run(delivered, starting_position="LATEST")

    assert sorted(number for batch in mapped.batches() for number in batch) == list(range(len(keys)))


def test_a_stop_lets_an_invocation_end_and_counts_what_it_resolved(mapped: Mapped) -> None:
    """Given an invocation under way, when the mapping stops, then it is waited for and not delivered again."""
    numbers = mapped.put({"n": 1, "do": "sleep", "seconds": 1})
    mapped.run(lambda: mapped.batches() == [[1]])

    assert list(mapped.positions().values()) == numbers


def test_an_invocation_that_outlasts_the_grace_is_delivered_again(mapped: Mapped) -> None:
    """Given a stop with too little grace, then the process is killed and the next start delivers its batch."""
    numbers = mapped.put({"n": 1, "do": "sleep", "seconds": 3})
    mapped.run(lambda: mapped.batches() == [[1]], grace_seconds=0.1)
    assert mapped.positions() == {}
    with pytest.raises(ProcessLookupError):
        os.kill(mapped.invocations()[0]["pid"], 0)

    mapped.run_to_end(*numbers)
    assert mapped.batches() == [[1], [1]]


def test_children_of_a_split_shard_come_after_their_parent(mapped: Mapped) -> None:
    """Given records around a split, when the parent's batch fails at first, then the children's still wait."""
    (parent,) = (shard["ShardId"] for shard in mapped.client.list_shards(StreamName=mapped.stream)["Shards"])
    mapped.put({"n": 1, "do": "report once"}, {"n": 2})
    mapped.client.split_shard(StreamName=mapped.stream, ShardToSplit=parent, NewStartingHashKey=str(2**127))
    mapped.client.get_waiter("stream_exists").wait(StreamName=mapped.stream, WaiterConfig={"Delay": 1})
    keys = ("a", "b", "c", "d", "e", "f")
    last = [number for index, key in enumerate(keys) for number in mapped.put({"n": 10 + index}, key=key)]

    def all_delivered() -> bool:
        return sum(len(batch) for batch in mapped.batches()) == 4 + len(keys) and bool(last)

    mapped.run(lambda: all_delivered() and len(mapped.positions()) == 3)

    assert mapped.batches()[:2] == [[1, 2], [1, 2]]
    assert {note["shard"] for note in mapped.invocations()[:2]} == {parent}
    assert parent not in {note["shard"] for note in mapped.invocations()[2:]}
    assert mapped.positions()[parent] == SHARD_END


def test_the_sweep_is_called_on_its_schedule(mapped: Mapped) -> None:
    """Given a short schedule, then the sweep function is called again and again, and the heartbeat tells of it."""
    mapped.run(lambda: mapped.sweeps() >= 3 and mapped.has_run("dropslot-sweep 1"), sweep_every_seconds=0.1)


def test_positions_that_cannot_be_written_hold_no_work_and_are_kept(
    mapped: Mapped, caplog: pytest.LogCaptureFixture
) -> None:
    """Given positions that can't be written, then the mapping says so and works on; later all are there."""
    numbers = mapped.put(*wishes(1, 2, 3))
    # Where they are drafted: as good as a full disk.
    in_the_way = mapped.folder / f".positions.json.{os.getpid()}"
    in_the_way.mkdir()

    def told() -> list[str]:
        return [str(record.msg) for record in caplog.records if record.levelno >= logging.WARNING]

    def written() -> bool:
        if told() and len(mapped.batches()) == 3 and in_the_way.exists():
            assert mapped.positions() == {}
            in_the_way.rmdir()
        return numbers[-1] in mapped.positions().values()

    mapped.run(written, batch_size=1)

    assert mapped.batches() == [[1], [2], [3]]
    assert told() == ["state_unsaved"]
