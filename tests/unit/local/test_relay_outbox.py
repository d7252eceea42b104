"""The outbox: order, holding back, and positions that never pass a record that isn't out."""

from hypothesis import given
from hypothesis import strategies as st

from dropslot.local.relay.faults import Fate
from dropslot.local.relay.outbox import SWAP_SECONDS, Outbox, Outgoing

FAITHFUL = Fate()


def _outgoing(number: int) -> Outgoing:
    return Outgoing(shard_id="shard", sequence_number=f"{number:021d}", partition_key=str(number), data=b"{}")


def _add(outbox: Outbox, number: int, fate: Fate, now: float = 0.0) -> None:
    outbox.note_read("shard", f"{number:021d}")
    outbox.add(_outgoing(number), fate, now)


def _numbers(records: list[Outgoing]) -> list[int]:
    return [int(record.sequence_number) for record in records]


def test_faithful_records_keep_their_order() -> None:
    """Given records without faults, they are due at once, in the order they came."""
    outbox = Outbox()
    for number in range(5):
        _add(outbox, number, FAITHFUL)

    assert _numbers(outbox.take_due(0.0)) == [0, 1, 2, 3, 4]
    assert outbox.is_empty()


def test_a_held_record_is_overtaken() -> None:
    """Given a delayed record, its successors are due before it."""
    outbox = Outbox()
    _add(outbox, 0, Fate(hold_seconds=2.0))
    _add(outbox, 1, FAITHFUL)

    assert _numbers(outbox.take_due(1.9)) == [1]
    assert _numbers(outbox.take_due(2.0)) == [0]


def test_a_swapped_record_follows_its_successor() -> None:
    """Given a record to be swapped, the next one is put first."""
    outbox = Outbox()
    for number, fate in enumerate([FAITHFUL, Fate(swap=True), FAITHFUL, FAITHFUL]):
        _add(outbox, number, fate)

    assert _numbers(outbox.take_due(0.0)) == [0, 2, 1, 3]


def test_a_swapped_record_does_not_wait_for_ever() -> None:
    """Given a record to be swapped and no successor, it goes after a while."""
    outbox = Outbox()
    _add(outbox, 0, Fate(swap=True))

    assert outbox.take_due(SWAP_SECONDS / 2) == []
    assert _numbers(outbox.take_due(SWAP_SECONDS)) == [0]


def test_positions_stay_below_what_is_held() -> None:
    """Given a held record, the position doesn't pass it although later ones are out."""
    outbox = Outbox()
    for number, fate in enumerate([FAITHFUL, Fate(hold_seconds=5.0), FAITHFUL]):
        _add(outbox, number, fate)
    for record in outbox.take_due(0.0):
        outbox.resolve(record.shard_id, record.sequence_number)
    assert outbox.positions() == {"shard": f"{0:021d}"}

    for record in outbox.take_due(5.0):
        outbox.resolve(record.shard_id, record.sequence_number)
    assert outbox.positions() == {"shard": f"{2:021d}"}


def test_copies_do_not_hold_positions() -> None:
    """Given a second copy that is due later, the position doesn't wait for it."""
    outbox = Outbox()
    _add(outbox, 0, FAITHFUL)
    outbox.add_copy(_outgoing(0).copy(), 9.0)
    for record in outbox.take_due(0.0):
        outbox.resolve(record.shard_id, record.sequence_number)

    assert outbox.positions() == {"shard": f"{0:021d}"}
    assert [record.is_copy for record in outbox.take_due(9.0)] == [True]


@given(st.permutations(range(12)))
def test_the_position_is_the_highest_below_which_all_are_resolved(order: list[int]) -> None:
    """Given records resolved in any order, the position is always the end of the resolved beginning."""
    outbox = Outbox()
    for number in range(12):
        outbox.note_read("shard", f"{number:021d}")
    resolved: set[int] = set()
    for number in order:
        outbox.resolve("shard", f"{number:021d}")
        resolved.add(number)
        beginning = next((each for each in range(13) if each not in resolved), 12)
        expected = {"shard": f"{beginning - 1:021d}"} if beginning else {}
        assert outbox.positions() == expected
