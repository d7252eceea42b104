"""Each call of each command, denied alone: the sentence names action, resource and the policy that helps."""

import re
from collections.abc import Sequence
from typing import Final

import pytest

from tests.integration.operate.aws import BUCKET, DOCUMENT, STACK, UUID, Account, a_mapping, arn
from tests.integration.operate.journals import STUCK_ERROR
from tests.integration.operate.operator import run
from tests.unit.core.images import image

_TABLE: Final = arn("dynamodb", f"table/{STACK}-requests")
_JOURNAL: Final = arn("dynamodb", f"table/{STACK}-journal")
_STREAM: Final = arn("kinesis", f"stream/{STACK}-requests")
_LEASES: Final = arn("dynamodb", f"table/{STACK}")
_DESCRIBE: Final = ("dynamodb:DescribeTable", _TABLE)
_GET: Final = ("dynamodb:BatchGetItem", _TABLE)
_QUERY: Final = ("dynamodb:Query", f"{_TABLE}/index/unfinished")
_SCAN: Final = ("dynamodb:Scan", _TABLE)
_PUT: Final = ("dynamodb:PutItem", _TABLE)
_UPDATE: Final = ("dynamodb:PartiQLUpdate", _TABLE)
_INSERT: Final = ("dynamodb:PartiQLInsert", _TABLE)
_DELETE: Final = ("dynamodb:DeleteItem", _TABLE)
_RUNS: Final = ("dynamodb:Query", _JOURNAL)
_FORGET: Final = ("dynamodb:BatchWriteItem", _JOURNAL)
_MAPPINGS: Final = ("lambda:ListEventSourceMappings", "*")
_SWITCH: Final = ("lambda:UpdateEventSourceMapping", arn("lambda", f"event-source-mapping:{UUID}"))
_READS: Final = tuple((f"kinesis:{call}", _STREAM) for call in ("ListShards", "GetShardIterator", "GetRecords"))
_BUCKET: Final = f"arn:aws:s3:::{BUCKET}"
_REDRIVES: Final = frozenset({_UPDATE, _INSERT})
_ACTING: Final = frozenset({*_REDRIVES, _PUT, _DELETE, _FORGET, _SWITCH})

Calls = Sequence[tuple[str, str]]

#: Command, which consumer is deployed, and all that it calls.
COMMANDS: Final[Sequence[tuple[Sequence[str], str, Calls]]] = (
    (("requests", "list"), "kcl", (_DESCRIBE, _QUERY)),
    (("requests", "show", "a", "--type", "orders"), "kcl", (_DESCRIBE, _GET, _RUNS)),
    (("requests", "count"), "kcl", (_DESCRIBE, _QUERY)),
    (("requests", "count", "--scan"), "kcl", (_DESCRIBE, _SCAN)),
    (("requests", "export", "--payload"), "kcl", (_DESCRIBE, _QUERY, _GET)),
    (("requests", "delete", "a", "--type", "orders", "--yes"), "kcl", (_DESCRIBE, _GET, _RUNS, _FORGET, _DELETE)),
    (("retry", "--all", "--dry-run"), "kcl", (_DESCRIBE, _QUERY)),
    (("retry", "--all", "--yes"), "kcl", (_DESCRIBE, _QUERY, _UPDATE)),
    (("retry", "a", "--type", "orders", "--yes"), "kcl", (_DESCRIBE, _GET, _UPDATE)),
    (("retry", "--undo", "--all", "--dry-run"), "kcl", (_DESCRIBE, _QUERY, _RUNS)),
    (("retry", "--undo", "a", "--type", "orders", "--dry-run"), "kcl", (_DESCRIBE, _GET, _RUNS)),
    (("replay", "--dry-run", "--restart"), "kcl", (_DESCRIBE, *_READS, _GET)),
    (("replay", "--yes", "--restart"), "kcl", (_DESCRIBE, *_READS, _GET, _UPDATE)),
    (("replay", "--force", "--yes", "--restart"), "kcl", (_DESCRIBE, *_READS, _GET, _INSERT)),
    (
        ("replay", "--dry-run", "--restart", "--failures", f"s3://{BUCKET}/aws"),
        "lambda",
        (_DESCRIBE, ("s3:ListBucket", _BUCKET), ("s3:GetObject", f"{_BUCKET}/{DOCUMENT}"), _GET),
    ),
    (
        ("lag",),
        "kcl",
        (
            *(_DESCRIBE, _GET, _MAPPINGS),
            *(("dynamodb:Scan", f"{_LEASES}{end}") for end in ("", "-CoordinatorState", "-WorkerMetricStats")),
            *_READS,
        ),
    ),
    (("lag",), "lambda", (_DESCRIBE, _GET, _MAPPINGS, ("cloudwatch:GetMetricStatistics", "*"))),
    (("pause",), "kcl", (_DESCRIBE, _PUT, _MAPPINGS, _GET)),
    (("pause",), "lambda", (_DESCRIBE, _PUT, _MAPPINGS, _SWITCH, _GET)),
    (("resume",), "kcl", (_DESCRIBE, _GET, _MAPPINGS, _DELETE)),
    (("resume",), "lambda", (_DESCRIBE, _GET, _MAPPINGS, _SWITCH, _DELETE)),
)


def deployed(consumer: str, words: Sequence[str]) -> Account:
    """Return an account with a consumer, paused unless that is what comes: else `lag` watches leases for seconds.

    What a replay finds is overdue, or gone if it may restore it.
    """
    state = "Enabled" if words[0] == "pause" else "Disabled"
    account = Account(*([a_mapping(State=state)] if consumer == "lambda" else []))
    account.paused = words[0] != "pause"
    if words[0] == "replay":
        account.request = image("-#orders#a")
        account.gone = "--force" in words
    elif words[0] == "retry":
        account.request["error"] = {"S": STUCK_ERROR}
    return account


@pytest.mark.parametrize(("words", "consumer", "calls"), COMMANDS)
def test_each_missing_permission_is_named(
    words: Sequence[str], consumer: str, calls: Calls, on_aws: pytest.MonkeyPatch
) -> None:
    """Given a command, these are its calls; given that one of them is denied, then it ends with 3 and says which."""
    with deployed(consumer, words).running() as account:
        on_aws.setenv("AWS_ENDPOINT_URL", account.url)
        outcome = run(*words, "--stack", STACK)
        assert outcome.code == 0, outcome.all
        assert set(account.calls) == set(calls)
    for action, resource in calls:
        with deployed(consumer, words).running() as account:
            on_aws.setenv("AWS_ENDPOINT_URL", account.url)
            account.denied = {(action, resource)}
            outcome = run(*words, "--stack", STACK)
        policy = "ActPolicy" if (action, resource) in _ACTING else "LookPolicy"
        # The adapter of the table, which is the consumer's, too, keeps no more of an answer than its code.
        redrives = (action, resource) in _REDRIVES
        who, where = ("these credentials", "the table of requests") if redrives else ("ada", resource)
        sentence = f"{who} may not {action} on {where}: the policy in the stack's output {policy} allows it"
        assert (outcome.code, sentence in outcome.all) == (3, True), outcome.all
        if redrives:
            assert re.search(r"^0 +redriven$", outcome.all, re.MULTILINE)
