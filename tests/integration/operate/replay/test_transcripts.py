"""What `dropslot replay` says, kept as files."""

import os
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from tests.chaos.proxy import Proxy
from tests.integration.operate.operator import Outcome, interrupted, run
from tests.integration.operate.replay.history import KINDS, Author
from tests.integration.operate.replay.stage import Stage, staged

Compare = Callable[[str, str], None]
#: One of each kind.
RECORDS: Final = 29
LEDGER: Final = Path(".dropslot", "replay.jsonl")
FIRST, SECOND = "shardId-000000000000", "shardId-000000000001"


def transcript(stage: Stage, words: Sequence[str], outcome: Outcome | None = None) -> str:
    """Return what an operator sees of a command, without what differs from run to run.

    Args:
        stage: where.
        words: of the command.
        outcome: of it; None runs it.
    """
    outcome = outcome if outcome is not None else run(*words)
    shown = f"$ dropslot {' '.join(words)}\n{outcome.all}[exit code {outcome.code}]\n"
    for pattern, instead in (
        (r"\(process \d+\)", "(process 4711)"),
        (r"\d+ a second", "1,234 a second"),
        (r"\d{40,}", "4968051014852…"),
        (r"\"accepted_at\":\d+", '"accepted_at":1760000000000'),
        (r"127.0.0.1:\d+", "127.0.0.1:4566"),
        (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ", "2025-10-09 08:53:20Z"),
        (re.escape(stage.table), "requests"),
        (re.escape(stage.stream), "requests"),
        (re.escape(str(Path.cwd())), "/home/ada/shop"),
    ):
        shown = re.sub(pattern, instead, shown)
    return shown


def test_what_it_says(stage: Stage, compare: Compare) -> None:
    """Given requests of every class, each run says how many there are, what was done, and what wasn't."""
    stage.happened(RECORDS)
    deleted = f"-#t1#r-{KINDS.index(Author.deleted):06}"
    commands = (
        ("replay", "--dry-run"),
        ("replay",),
        ("replay",),
        ("replay", "--dry-run", "--force", "--json", "--id", "r-000001", "--type", "t1"),
        ("replay", "--force", "--failed"),
        ("replay", "--force", "--failed", "--yes"),
        ("replay", "--force", "--id", deleted, "--yes"),
        ("replay", "--dry-run", "--event", "REMOVE"),
    )
    compare("replay", "\n".join(transcript(stage, words) for words in commands))


def test_what_it_says_when_it_is_stopped(stage: Stage, compare: Compare) -> None:
    """Given Ctrl-C after the first of those that are forced, it says how far it is, and the same command goes on."""
    stage.happened(RECORDS)
    before = stage.attempts()
    words = ("replay", "--force", "--yes")
    # After each it waits for its rate: long enough to be stopped there.
    slowly = (*words, "--rate", "0.1")
    stopped = transcript(stage, slowly, interrupted(*slowly, when=lambda: stage.attempts() != before))
    compare("replay-stopped", f"{stopped}\n{transcript(stage, words)}")


def test_what_it_says_when_it_cannot(stage: Stage, compare: Compare) -> None:
    """Given what can't be meant, or isn't there, it says what to do instead."""
    history = stage.happened(RECORDS)
    elsewhere = history.numbers[SECOND][0]
    for name in ("notes.txt", "kept.jsonl"):
        Path(name).write_text("{}\n")
    commands = (
        ("replay", "--from", "yesterday"),
        ("replay", "--from", "1h", "--to", "2h"),
        ("replay", "--from", elsewhere),
        ("replay", "--shard", "shardId-000000000009"),
        ("replay", "--shard", FIRST, "--from", elsewhere),
        ("replay", "--shard", FIRST, "--to", elsewhere),
        ("replay", "--id", "order-1"),
        ("replay", "--failures", "nowhere"),
        ("replay", "--failures", "notes.txt"),
        ("replay", "--failures", "s3://shop-failures/aws/lambda/"),
        ("replay", "--failures", "notes.txt", "--from", "1h"),
        ("replay", "--progress", "kept.jsonl"),
    )
    compare("replay-mistakes", "\n".join(transcript(stage, words) for words in commands))


def test_what_it_says_of_a_stream_that_is_not_there(stage: Stage, work_dir: Path, compare: Compare) -> None:
    """Given no stream, it says which, and nothing is left to go on with."""
    with staged(
        dynamodb_endpoint=stage.dynamodb.meta.endpoint_url,
        kinesis_endpoint=stage.kinesis.meta.endpoint_url,
        table=stage.table,
        stream="never-made",
        folder=work_dir,
        pid=os.getpid(),
    ):
        compare("replay-missing", transcript(stage, ("replay",)))


def test_what_it_says_of_a_shard_that_refuses(proxied: tuple[Stage, Proxy], compare: Compare) -> None:
    """Given a shard that may not be read, it says so, and how far it came; then only the same command goes on.

    And the day after only when it is told to.
    """
    stage, proxy = proxied
    stage.happened(RECORDS)
    denied = {"code": "AccessDeniedException", "status": 400}
    proxy.misbehave(
        [{"service": "kinesis", "operation": "GetShardIterator", "body": f"ShardId=='{SECOND}'", "error": denied}]
    )
    refused = transcript(stage, ("replay",))
    proxy.misbehave([])
    others = [transcript(stage, ("replay", "--from", "1h", "--failed", "--yes"))]
    os.utime(LEDGER, (time.time() - 86_400, time.time() - 86_400))
    others += [transcript(stage, words) for words in (("replay",), ("replay", "--resume"), ("replay", "--resume"))]
    compare("replay-denied", "\n".join((refused, *others)))
