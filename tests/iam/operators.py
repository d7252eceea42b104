"""What operators do with a running pipeline while their calls are recorded."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, chdir, contextmanager
from dataclasses import dataclass
from typing import Final

from dropslot.local.stack import CONSUMER
from dropslot.operate.running import RunningStack, announced
from tests.chaos.patience import eventually
from tests.iam.pipeline import APPLICATION, OPERATOR, TYPE, VIEWER, Pipeline
from tests.integration.operate.operator import run

_SETTLE_SECONDS: Final = 120.0


@dataclass(frozen=True, slots=True)
class Words:
    """A command, and the exit codes that it may have."""

    words: Sequence[str]
    codes: frozenset[int] = frozenset({0})


#: Commands that only look. Lag may find that something is wrong.
LOOKS: Final = (
    Words(("requests", "list")),
    Words(("requests", "show", "sorry", "--type", TYPE, "--body")),
    Words(("requests", "count")),
    Words(("requests", "count", "--scan")),
    Words(("requests", "export", "--payload")),
    Words(("requests", "export", "--scan")),
    Words(("retry", "--all", "--dry-run")),
    Words(("retry", "--undo", "--all", "--dry-run")),
    Words(("replay", "--dry-run", "--force")),
    Words(("lag", "--watch", "5"), frozenset({0, 1})),
)
ACTS: Final = (
    Words(("pause", "--reason", "to see")),
    Words(("resume",)),
    Words(("retry", "sorry", "--type", TYPE, "--yes")),
    Words(("retry", "--all", "--yes")),
    Words(("requests", "delete", "sorry", "--type", TYPE, "--yes")),
    # What was deleted comes back when it is named.
    Words(("replay", "--force", "--id", "sorry", "--type", TYPE, "--yes")),
)


def operate(pipeline: Pipeline) -> None:
    """Use each command on what failed, and on what is done."""
    pipeline.send("sorry", "reject")
    eventually(lambda: pipeline.state("sorry").get("status") == "failed", _SETTLE_SECONDS, lambda: "sorry isn't failed")
    # Else it restarts for the pause, which is no part of this.
    pipeline.stack.halt(CONSUMER)
    for role, commands in ((VIEWER, LOOKS), (OPERATOR, ACTS)):
        with _at(pipeline, role):
            for command in commands:
                outcome = run(*command.words)
                assert outcome.code in command.codes, outcome.all


@contextmanager
def _at(pipeline: Pipeline, role: str) -> Iterator[None]:
    """Be in a folder whose running stack is behind taps."""
    info = pipeline.stack.info
    folder = pipeline.folder / role
    folder.mkdir()
    with ExitStack() as running:
        dynamodb, kinesis = (
            running.enter_context(pipeline.recorder.tapped(role, upstream, pipeline.places))
            for upstream in (pipeline.proxy.url, info.kinesis_endpoint)
        )
        stack = RunningStack(
            pid=1,
            dynamodb_endpoint=dynamodb,
            kinesis_endpoint=kinesis,
            region=info.region,
            table=info.table,
            stream=info.stream,
            application=APPLICATION,
            consumer="kcl",
            positions=None,
        )
        running.enter_context(announced(stack, folder))
        running.enter_context(chdir(folder))
        yield
