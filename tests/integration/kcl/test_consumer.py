"""The real daemon on DynamoDB Local and kinesis-local."""

import os
import signal

from tests.integration.kcl.conftest import Consumer, poll_until
from tests.unit.runtimes.kcl.conversation import lives


def test_reads_checkpoints_and_stops_cleanly(consumer: Consumer) -> None:
    """Records in are seen, the checkpoint stands at the last record, SIGTERM ends it with 0 and nothing left."""
    last = consumer.put(*(f"a{at}" for at in range(20)))
    consumer.wait_for(lambda: len(consumer.seen()) >= 20)
    assert "leases_prepared" in _events(consumer)
    consumer.wait_for(lambda: consumer.checkpoints() == last)

    more = consumer.put(*(f"b{at}" for at in range(20)))
    consumer.wait_for(lambda: len(consumer.seen()) >= 40)
    daemon = consumer.daemon_pid()
    assert daemon is not None
    consumer.process.send_signal(signal.SIGTERM)
    assert consumer.process.wait(timeout=30) == 0

    # The last checkpoints are those that the shutdown made: they weren't waited for.
    assert consumer.checkpoints() == more
    assert sorted(consumer.seen()) == sorted([f"a{at}" for at in range(20)] + [f"b{at}" for at in range(20)])
    assert not _group_lives(daemon)
    assert [line for line in consumer.log() if line["level"] == "ERROR"] == []
    assert [line["event"] for line in consumer.log()][-1] == "consumer_stopped"


def test_lost_shard_process_loses_nothing(consumer: Consumer) -> None:
    """A killed shard process brings a new daemon, a reload only new images: every record is seen."""
    consumer.put(*(f"a{at}" for at in range(10)))
    consumer.wait_for(lambda: len(set(consumer.seen())) >= 10)
    first_daemon = consumer.daemon_pid()

    os.kill(next(iter(consumer.shard_pids().values())), signal.SIGKILL)
    last = consumer.put(*(f"b{at}" for at in range(10)))
    consumer.wait_for(lambda: len(set(consumer.seen())) >= 20)
    assert consumer.daemon_pid() != first_daemon

    pids = consumer.shard_pids()
    consumer.process.send_signal(signal.SIGUSR1)
    replaced = ["shard_process_replaced"] * 2
    consumer.wait_for(lambda: [e for e in _events(consumer) if e == replaced[0]] == replaced)
    last |= consumer.put(*(f"c{at}" for at in range(10)))
    consumer.wait_for(lambda: len(set(consumer.seen())) >= 30)
    assert consumer.shard_pids() == pids
    consumer.wait_for(lambda: consumer.checkpoints() == last)


def test_split_shard_is_read_to_its_end_and_its_children_after_it(consumer: Consumer) -> None:
    """The lease of a split shard is closed, which is what lets its children be read."""
    consumer.put("a", "b", "c", "d", "e", "f")
    consumer.wait_for(lambda: len(consumer.seen()) >= 6)
    parent = min(consumer.shard_pids())
    shards = consumer.kinesis.list_shards(StreamName=consumer.stream)["Shards"]
    keys = next(shard["HashKeyRange"] for shard in shards if shard["ShardId"] == parent)
    consumer.kinesis.split_shard(
        StreamName=consumer.stream,
        ShardToSplit=parent,
        NewStartingHashKey=str((int(keys["StartingHashKey"]) + int(keys["EndingHashKey"])) // 2),
    )
    poll_until(
        lambda: (
            consumer.kinesis.describe_stream(StreamName=consumer.stream)["StreamDescription"]["StreamStatus"]
            == "ACTIVE"
        )
    )
    last = consumer.put(*(f"after{at}" for at in range(20)))
    assert len(last) == 3
    consumer.wait_for(lambda: len(consumer.seen()) >= 26)
    consumer.wait_for(lambda: last.items() <= consumer.checkpoints().items())


def test_nothing_outlives_a_killed_supervisor(consumer: Consumer) -> None:
    """Even SIGKILL leaves no shard process behind, and the daemon goes after a last checkpoint."""
    consumer.put("a", "b", "c", "d", "e", "f")
    consumer.wait_for(lambda: len(consumer.seen()) >= 6 and len(consumer.shard_pids()) == 2)
    pids = list(consumer.shard_pids().values())
    consumer.process.kill()
    consumer.process.wait()
    _wait_gone(pids)


def _events(consumer: Consumer) -> list[str]:
    return [line["event"] for line in consumer.log()]


def _group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def _wait_gone(pids: list[int]) -> None:
    poll_until(lambda: not any(lives(pid) for pid in pids))
