"""`dropslot pause` and `resume` on a real table."""

import os
from collections.abc import Callable
from pathlib import Path

from dropslot.core import names
from dropslot.operate.running import RunningStack, announced, find_running
from dropslot.runtimes.kcl.pause import is_paused
from tests.integration.operate.operator import Operator, run
from tests.unit.core.images import image


def test_workers_learn_of_a_pause_and_of_its_end(operator: Operator) -> None:
    """Given a pause, the table says so to workers until it ends; requests stay as they are."""
    operator.put(image("-#orders#a"))
    assert is_paused(operator.table, dynamodb=operator.client) is False
    assert run("pause").code == 0
    assert is_paused(operator.table, dynamodb=operator.client) is True
    assert run("resume").code == 0
    assert is_paused(operator.table, dynamodb=operator.client) is False
    assert operator.items() == {"-#orders#a": image("-#orders#a")}


def test_a_table_that_cannot_be_asked_says_nothing(operator: Operator) -> None:
    """Given no table, a worker isn't told that there is no pause."""
    assert is_paused("never-made", dynamodb=operator.client) is None


def test_a_second_pause_keeps_the_first(operator: Operator) -> None:
    """Given a pause with a reason, another one changes neither its time nor its reason."""
    run("pause", "--reason", "the first")
    first = operator.items()
    outcome = run("pause", "--reason", "the second")
    assert outcome.code == 0
    assert ": the first\n" in outcome.all
    assert operator.items() == first
    assert set(first) == {names.CONTROL_ID}


def test_the_control_item_is_no_request_for_an_operator(operator: Operator) -> None:
    """Given a pause, counts, exports and retries don't see its item."""
    run("pause")
    assert run("requests", "count", "--scan", "--json").out == "{}\n"
    assert run("requests", "export", "--scan").out == ""
    assert run("requests", "delete", "@control", "--type", "", "--yes").code == 1
    assert set(operator.items()) == {names.CONTROL_ID}


def test_the_local_mapping_is_disabled_and_enabled(operator: Operator, work_dir: Path) -> None:
    """Given the Lambda consumer, a file disables its mapping while the pause lasts."""
    file = work_dir / "positions.disabled"
    kcl = find_running(work_dir)
    assert kcl is not None
    values = {name: getattr(kcl, name) for name in kcl.__struct_fields__}
    with announced(RunningStack(**{**values, "pid": os.getpid(), "mapping_disabled": str(file)}), work_dir):
        run("pause")
        assert file.exists()
        run("resume")
        assert not file.exists()


def test_what_it_says_is_kept(operator: Operator, compare: Callable[[str, str], None]) -> None:
    """Given a pause at a known time, the transcripts are what they are known to be."""
    item = {
        "id": {"S": names.CONTROL_ID},
        names.PAUSED_AT: {"N": "1760000000000"},
        names.REASON: {"S": "kitchen closed"},
    }
    operator.put(item)
    words = (("pause", "--reason", "again"), ("pause", "--json"), ("resume",), ("resume",))
    compare("pause", "\n".join(operator.transcript(each) for each in words))
