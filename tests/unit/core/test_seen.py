"""The memory of started attempts, against a plain model of it."""

from hypothesis import given
from hypothesis import strategies as st

from dropslot.core.seen import Seen

STEP = st.tuples(st.sampled_from("abcdef"), st.integers(0, 1), st.integers(0, 3))


@given(st.lists(STEP), st.integers(1, 4))
def test_it_never_claims_what_was_not_started(steps: list[tuple[str, int, int]], size: int) -> None:
    """Whatever it forgets, it covers an attempt only if that one or a later one of the same generation was added."""
    seen = Seen(size)
    highest: dict[tuple[str, int], int] = {}
    for request_id, generation, attempt in steps:
        covered = seen.covers(request_id, generation, attempt)
        assert not covered or highest.get((request_id, generation), -1) >= attempt
        seen.add(request_id, generation, attempt)
        highest[request_id, generation] = max(attempt, highest.get((request_id, generation), -1))


@given(st.lists(STEP, min_size=1))
def test_it_forgets_nothing_within_its_size(steps: list[tuple[str, int, int]]) -> None:
    """Given fewer generations than it holds, then it covers exactly what was started."""
    seen = Seen(12)
    highest: dict[tuple[str, int], int] = {}
    for request_id, generation, attempt in steps:
        seen.add(request_id, generation, attempt)
        highest[request_id, generation] = max(attempt, highest.get((request_id, generation), -1))
    for key, attempt in highest.items():
        assert seen.covers(*key, attempt)
        assert not seen.covers(*key, attempt + 1)


@given(st.lists(STEP, min_size=1), st.integers(1, 4))
def test_it_remembers_the_latest(steps: list[tuple[str, int, int]], size: int) -> None:
    """However full, the last `size` generations added are covered."""
    seen = Seen(size)
    latest: list[tuple[str, int]] = []
    for request_id, generation, attempt in steps:
        seen.add(request_id, generation, attempt)
        latest = [key for key in latest if key != (request_id, generation)] + [(request_id, generation)]
    for request_id, generation in latest[-size:]:
        assert seen.covers(request_id, generation, 0)
    for request_id, generation in latest[:-size]:
        assert not seen.covers(request_id, generation, 0)
