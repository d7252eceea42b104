"""Each call of each command, denied alone: the sentence names action, resource and the policy that helps."""

import re
from collections.abc import Sequence
from typing import Final

import pytest

from tests.integration.operate.aws import BUCKET, DOCUMENT, STACK, UUID, Account, a_mapping, arn
from tests.integration.operate.journals import STUCK_ERROR
from tests.integration.operate.operator import run

_TABLE: Final = arn("dynamodb", f"table/{STACK}-requests")
_JOURNAL: Final = arn("dynamodb", f"table/{STACK}-journal")
_STREAM: Final = arn("kinesis", f"stream/{STACK}-requests")
_LEASES: Final = arn("dynamodb", f"table/{STACK}")
_DESCRIBE: Final = ("dynamodb:DescribeTable", _TABLE)
_GET: Final = ("dynamodb:BatchGetItem", _TABLE)
_QUERY: Final = ("dynamodb:Query", f"{_TABLE}/index/unfinished")
_SCAN: Final = ("dynamodb:Scan", _TABLE)
_PUT: Final = ("dynamodb:PutItem", _TABLE)
_DELETE: Final = ("dynamodb:DeleteItem", _TABLE)
_RUNS: Final = ("dynamodb:Query", _JOURNAL)
_FORGET: Final = ("dynamodb:BatchWriteItem", _JOURNAL)
_MAPPINGS: Final = ("lambda:ListEventSourceMappings", "*")
_SWITCH: Final = ("lambda:UpdateEventSourceMapping", arn("lambda", f"event-source-mapping:{UUID}"))
_BUCKET: Final = f"arn:aws:s3:::{BUCKET}"
_ACTING: Final = frozenset({_PUT, _DELETE, _FORGET, _SWITCH})

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
    (("retry", "--undo", "--all", "--dry-run"), "kcl", (_DESCRIBE, _QUERY, _RUNS)),
    (("retry", "--undo", "a", "--type", "orders", "--dry-run"), "kcl", (_DESCRIBE, _GET, _RUNS)),
    (
        ("replay", "--dry-run", "--restart"),
        "kcl",
        (_DESCRIBE, *((f"kinesis:{call}", _STREAM) for call in ("ListShards", "GetShardIterator", "GetRecords")), _GET),
    ),
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
            *((f"kinesis:{call}", _STREAM) for call in ("ListShards", "GetShardIterator", "GetRecords")),
        ),
    ),
    (("lag",), "lambda", (_DESCRIBE, _GET, _MAPPINGS, ("cloudwatch:GetMetricStatistics", "*"))),
    (("pause",), "kcl", (_DESCRIBE, _PUT, _MAPPINGS, _GET)),
    (("pause",), "lambda", (_DESCRIBE, _PUT, _MAPPINGS, _SWITCH, _GET)),
    (("resume",), "kcl", (_DESCRIBE, _GET, _MAPPINGS, _DELETE)),
    (("resume",), "lambda", (_DESCRIBE, _GET, _MAPPINGS, _SWITCH, _DELETE)),
)


def deployed(consumer: str, command: str) -> Account:
    """Return an account with a consumer, paused unless that is what comes: else `lag` watches leases for seconds."""
    state = "Enabled" if command == "pause" else "Disabled"
    account = Account(*([a_mapping(State=state)] if consumer == "lambda" else []))
    account.paused = command != "pause"
    if command == "retry":
        account.request["error"] = {"S": STUCK_ERROR}
    return account


@pytest.mark.parametrize(("words", "consumer", "calls"), COMMANDS)
def test_each_missing_permission_is_named(
    words: Sequence[str], consumer: str, calls: Calls, on_aws: pytest.MonkeyPatch
) -> None:
    """Given a command, these are its calls; given that one of them is denied, then it ends with 3 and says which."""
    with deployed(consumer, words[0]).running() as account:
        on_aws.setenv("AWS_ENDPOINT_URL", account.url)
        outcome = run(*words, "--stack", STACK)
        assert outcome.code == 0, outcome.all
        assert set(account.calls) == set(calls)
    for action, resource in calls:
        with deployed(consumer, words[0]).running() as account:
            on_aws.setenv("AWS_ENDPOINT_URL", account.url)
            account.denied = {(action, resource)}
            outcome = run(*words, "--stack", STACK)
        policy = "ActPolicy" if (action, resource) in _ACTING else "LookPolicy"
        sentence = f"ada may not {action} on {resource}: the policy in the stack's output {policy} allows it"
        assert (outcome.code, sentence in outcome.all) == (3, True), outcome.all


@pytest.mark.parametrize("named", [("--all",), ("a", "--type", "orders")])
def test_a_redrive_that_is_denied_is_named(named: Sequence[str], on_aws: pytest.MonkeyPatch) -> None:
    """Given that nothing may be redriven, then retry ends with 3, says which action it takes, and reports."""
    with Account().running() as account:
        on_aws.setenv("AWS_ENDPOINT_URL", account.url)
        account.denied = {("dynamodb:PartiQLUpdate", _TABLE)}
        outcome = run("retry", *named, "--yes", "--stack", STACK)
    assert outcome.code == 3, outcome.all
    assert "dynamodb:PartiQLUpdate" in outcome.all
    assert re.search(r"^0 +redriven$", outcome.all, re.MULTILINE)
