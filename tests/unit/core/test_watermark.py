"""The checkpoint position, against a plain model of it."""

from hypothesis import given
from hypothesis import strategies as st

from dropslot.core.watermark import Entry, Watermark


@given(st.lists(st.integers(-1, 30)))
def test_the_position_is_the_end_of_the_resolved_beginning(steps: list[int]) -> None:
    """Given records opened (-1) and resolved (n: the n-th, perhaps twice), then no unresolved one is passed."""
    watermark = Watermark()
    entries: list[Entry] = []
    resolved: set[int] = set()
    for step in steps:
        if step < 0 or step >= len(entries):
            entries.append(watermark.open(str(100 + len(entries))))
        else:
            watermark.resolve(entries[step])
            resolved.add(step)
        beginning = 0
        while beginning in resolved:
            beginning += 1
        assert watermark.position == (str(99 + beginning) if beginning else None)
        assert watermark.unresolved == len(entries) - beginning
