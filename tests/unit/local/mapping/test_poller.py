"""Which shards may be read."""

from dropslot.local.mapping.poller import readable


def test_children_wait_for_all_their_parents() -> None:
    """Given a split and a merge behind it, then each shard is readable once what it came from has ended."""
    shards = [
        {"ShardId": "0"},
        {"ShardId": "1", "ParentShardId": "0"},
        {"ShardId": "2", "ParentShardId": "0"},
        {"ShardId": "3", "ParentShardId": "1", "AdjacentParentShardId": "2"},
    ]

    assert readable(shards, set()) == ["0"]
    assert readable(shards, {"0"}) == ["1", "2"]
    assert readable(shards, {"0", "1"}) == ["2"]
    assert readable(shards, {"0", "1", "2"}) == ["3"]


def test_a_parent_that_is_gone_holds_nobody() -> None:
    """Given a shard whose parent is past its retention, then it is readable."""
    assert readable([{"ShardId": "1", "ParentShardId": "0"}], set()) == ["1"]
