"""The incident of docs/operations.md, told by its own commands, with either consumer."""

import json
import shlex
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest

from dropslot.local.up import as_running
from dropslot.operate.running import announced
from tests.e2e.handlers import recipe
from tests.e2e.pipeline import Pipeline
from tests.integration.operate.operator import Outcome, run

PAGE: Final = Path(__file__).parents[2] / "docs" / "operations.md"
SECTION: Final = "## An incident, from the alarm to the all-clear"


class Story:
    """The commands of the page, run in its order.

    Args:
        instead: what stands in the page, and what to say here.
    """

    def __init__(self, instead: dict[str, str]) -> None:
        section = PAGE.read_text(encoding="utf-8").partition(SECTION)[2].partition("\n## ")[0]
        self._commands = [line.strip() for line in section.splitlines() if line.startswith("    dropslot ")]
        self.instead = instead

    def goes_on(self, start: str) -> Outcome:
        """Run the next command, which must be the one that starts so, and end well."""
        command = self._commands.pop(0)
        assert command.startswith(f"dropslot {start}"), command
        words = [self.instead.get(word, word) for word in shlex.split(command)[1:]]
        outcome = run(*words)
        assert outcome.code == 0, f"{command}: {outcome.all}"
        return outcome

    @property
    def is_told(self) -> bool:
        """No command is left."""
        return not self._commands


@pytest.fixture
def beside(pipeline: Pipeline, work_dir: Path) -> Iterator[None]:
    """Have commands find the pipeline; whatever happens, no pause is left behind."""
    with announced(as_running(pipeline.stack.info), work_dir):
        try:
            yield
        finally:
            run("resume")


def _now() -> str:
    return datetime.now(UTC).isoformat()


def _meal(pipeline: Pipeline, price: int, voucher: int = 0) -> str:
    body = json.dumps({"price": price, "voucher": voucher})
    return pipeline.submit("meals", body, content_type="application/json")


@pytest.mark.usefixtures("beside")
def test_a_handler_bug_leaves_nothing_behind(pipeline: Pipeline) -> None:
    """Given a release that fails some requests and gets others wrong, the page's commands leave all of them right."""
    recipe(pipeline.run_log).unlink(missing_ok=True)
    released = _now()
    failing = [_meal(pipeline, 30, voucher=10) for _ in range(6)]
    wrong = [_meal(pipeline, 20) for _ in range(4)]
    states = pipeline.settled("meals", [*failing, *wrong])
    assert [states[each]["error"] for each in failing] == ["KeyError: 'voucher'"] * 6
    assert [states[each]["result"] for each in wrong] == [{"total": 0}] * 4
    pipeline.await_checkpoints()

    story = Story({"orders": "meals", "order-17": failing[0], "2026-11-24T10:40Z": released})
    story.goes_on("lag")
    assert "failed" in story.goes_on("requests count").out
    assert "6         KeyError: 'voucher'\n" in story.goes_on("retry").out
    assert "KeyError: 'voucher'" in story.goes_on("requests list").out
    assert "KeyError: 'voucher'" in story.goes_on("requests show").out

    story.goes_on("pause")
    paused = _now()
    meanwhile = [_meal(pipeline, 50, voucher=5) for _ in range(3)]
    recipe(pipeline.run_log).touch()
    story.goes_on("resume")
    states = pipeline.settled("meals", meanwhile)
    assert _outcomes(states) == {("done", 45, 0)}

    story.instead["2026-11-24T11:05Z"] = paused
    story.goes_on("replay")
    assert _outcomes({each: pipeline.state("meals", each) for each in wrong}) == {("done", 0, 0)}
    story.goes_on("replay")
    story.goes_on("retry")
    story.goes_on("retry")
    states = pipeline.settled("meals", [*failing, *wrong])
    assert _outcomes({each: states[each] for each in failing}) == {("done", 20, 1)}
    assert _outcomes({each: states[each] for each in wrong}) == {("done", 20, 1)}

    pipeline.await_checkpoints()
    story.goes_on("requests count")
    story.goes_on("lag")
    assert story.is_told
    assert [pipeline.runs("meals", each) for each in failing] == [[0, 0, 1]] * 6
    assert [pipeline.runs("meals", each) for each in wrong] == [[0, 1]] * 4
    assert [pipeline.runs("meals", each) for each in meanwhile] == [[0]] * 3


def _outcomes(states: dict[str, dict[str, Any]]) -> set[tuple[str, int, int]]:
    return {(state["status"], state["result"]["total"], state["attempt"]) for state in states.values()}
