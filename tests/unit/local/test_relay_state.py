"""The relay's memory: counts by status, and what is forgotten when."""

from pathlib import Path
from typing import Any

import pytest

from dropslot.local.relay.state import RelayState, load, save


def _event(number: int, old: str | None, new: str | None) -> dict[str, Any]:
    images = {"OldImage": old, "NewImage": new}
    return {
        "dynamodb": {
            "SequenceNumber": f"{number:021d}",
            **{name: {"status": {"S": status}} for name, status in images.items() if status is not None},
        }
    }


def test_counts_follow_changes() -> None:
    """Given an accept, an outcome, a redrive and a deletion, each moves the counts by one item."""
    state = RelayState()
    for number, (old, new) in enumerate(
        [
            (None, "pending-a"),
            (None, "pending-b"),
            ("pending-a", "done-a"),
            ("pending-b", "waiting-b"),
            ("done-a", None),
        ]
    ):
        state.count_statuses("shard", _event(number, old, new))

    assert state.statuses == {"pending": 0, "waiting": 1, "failed": 0, "done": 0}


def test_a_change_that_is_read_again_is_not_counted_again() -> None:
    """Given a restart that reads changes twice, the counts stay right."""
    state = RelayState()
    for _ in range(2):
        for number in range(3):
            state.count_statuses("shard", _event(number, None, "pending-0"))

    assert state.statuses["pending"] == 3


def test_items_without_a_known_status_are_not_counted() -> None:
    """Given foreign items, the counts ignore them."""
    state = RelayState()
    state.count_statuses("shard", _event(1, None, "shipped"))
    state.count_statuses("shard", {"dynamodb": {"SequenceNumber": "2", "NewImage": {"id": {"S": "x"}}}})

    assert set(state.statuses.values()) == {0}


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"pid": "none"}'])
def test_a_damaged_file_is_a_fresh_start(tmp_path: Path, content: bytes) -> None:
    """Given a file that isn't a state, the relay starts from the beginning of the stream."""
    (tmp_path / "relay.json").write_bytes(content)

    assert load(tmp_path / "relay.json", "arn") == RelayState(stream_arn="arn")


def test_positions_belong_to_one_stream(tmp_path: Path) -> None:
    """Given a saved state, it is taken up for the same change stream and for no other."""
    state = RelayState(stream_arn="arn", positions={"shard": "7"}, expiring={"x"})
    save(tmp_path / "relay.json", state)

    assert load(tmp_path / "relay.json", "arn") == state
    assert load(tmp_path / "relay.json", "other").positions == {}
