"""The function and its mapping: which records reach it, and what becomes of those that keep failing."""

import json
from pathlib import Path
from typing import Any

import pytest
from aws_cdk import RemovalPolicy
from aws_cdk import aws_lambda as lambda_

from dropslot.core.change import Change, parse
from dropslot.core.decision import Decision, decide
from dropslot.core.mapping import FILTERS
from dropslot_infra.lambda_consumer import LambdaConsumer
from tests.infra.filters import passes
from tests.infra.parts import STREAM_ARN, journal_in, make_stack, stream_in, table_in
from tests.infra.synthesis import Template, only_resource_of, resolved, resources_of, template_of
from tests.unit.core.images import TABLE, data, image, record


def synthesised(folder: Path, **arguments: Any) -> Template:
    """Synthesise a consumer with an asset that nobody has to build."""
    stack = make_stack()
    LambdaConsumer(
        stack,
        "Consumer",
        table=table_in(stack),
        journal=journal_in(stack),
        stream=stream_in(stack),
        code=lambda_.Code.from_asset(str(folder)),
        **arguments,
    )
    return template_of(stack)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Template:
    """The template of a consumer with a variable and a secret."""
    return synthesised(
        tmp_path_factory.mktemp("asset"),
        environment={"DROPSLOT_CONCURRENCY": "8"},
        secrets={"TOKEN": "shop/token"},
        parallelization=4,
    )


def mapping_of(template: Template) -> dict[str, Any]:
    """Return the mapping's properties."""
    return only_resource_of(template, "AWS::Lambda::EventSourceMapping")


def test_the_mapping_reads_the_stream_from_its_start(template: Template) -> None:
    """Given the stream, the mapping brings its oldest records first, in batches that run beside each other."""
    mapping = mapping_of(template)
    assert mapping["EventSourceArn"] == STREAM_ARN
    assert mapping["StartingPosition"] == "TRIM_HORIZON"
    assert mapping["ParallelizationFactor"] == 4
    assert mapping["BatchSize"] == 100


def test_a_failing_batch_is_halved_and_given_up_in_the_end(template: Template) -> None:
    """Given a batch that fails, only what is reported runs again, and retries and age have an end."""
    mapping = mapping_of(template)
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert mapping["BisectBatchOnFunctionError"] is True
    # A request that kills its process is failed at its fourth delivery.
    assert 4 <= mapping["MaximumRetryAttempts"] <= 20
    # Neither endless nor so short that a backlog would be given up, and before the stream itself forgets.
    assert 12 * 3600 <= mapping["MaximumRecordAgeInSeconds"] < 24 * 3600


def test_given_up_records_are_kept_in_a_closed_bucket(template: Template) -> None:
    """Given a batch that is given up, its records go to a bucket: encrypted, closed, and emptied after a month."""
    destination = mapping_of(template)["DestinationConfig"]["OnFailure"]["Destination"]["Fn::GetAtt"][0]
    bucket = template["Resources"][destination]["Properties"]
    (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule["ServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert bucket["LifecycleConfiguration"]["Rules"][0]["ExpirationInDays"] == 30
    policy = only_resource_of(template, "AWS::S3::BucketPolicy")["PolicyDocument"]["Statement"]
    assert {"Bool": {"aws:SecureTransport": "false"}} in [each.get("Condition") for each in policy]


def test_the_mapping_counts_what_it_gives_up(template: Template) -> None:
    """Given alarms on given-up batches, the metrics that they watch are on."""
    assert mapping_of(template)["MetricsConfig"] == {"Metrics": ["EventCount"]}


def test_the_function_is_reached_by_its_alias(template: Template) -> None:
    """Given a deployment, the mapping moves from one published version to the next."""
    alias_id = mapping_of(template)["FunctionName"]["Ref"]
    alias = template["Resources"][alias_id]
    assert alias["Type"] == "AWS::Lambda::Alias"
    assert alias["Properties"]["Name"] == "live"
    version = alias["Properties"]["FunctionVersion"]["Fn::GetAtt"][0]
    assert template["Resources"][version]["Type"] == "AWS::Lambda::Version"


def test_the_mapping_waits_for_the_roles_rights(template: Template) -> None:
    """Given a first deployment, the mapping is made after the policy that lets it read the stream."""
    (mapping,) = (each for each in template["Resources"].values() if each["Type"] == "AWS::Lambda::EventSourceMapping")
    assert set(resources_of(template, "AWS::IAM::Policy")) <= set(mapping["DependsOn"])


def test_the_function_runs_on_arm_with_time_for_a_batch(template: Template) -> None:
    """Given the function, it is what the asset was built for, and outlasts two calls of a handler."""
    function = only_resource_of(template, "AWS::Lambda::Function")
    assert function["Architectures"] == ["arm64"]
    assert function["Runtime"] == "python3.13"
    assert function["Timeout"] >= 2 * 60 + 10
    assert "LoggingFormat" not in function.get("LoggingConfig", {})


def test_a_secret_is_given_by_its_arn_alone(template: Template) -> None:
    """Given a secret, the function's variables, which many may read, name it, and its role may read it."""
    variables = only_resource_of(template, "AWS::Lambda::Function")["Environment"]["Variables"]
    assert (variables["DROPSLOT_TABLE"], variables["DROPSLOT_JOURNAL"]) == ("shop-requests", "shop-journal")
    assert variables["DROPSLOT_CONCURRENCY"] == "8"
    assert "TOKEN" not in variables
    assert resolved(variables["TOKEN_ARN"], template).endswith(":secret:shop/token")


def test_no_concurrency_is_taken_from_the_account_unasked(template: Template, tmp_path: Path) -> None:
    """Given a new account's small limit, nothing is reserved unless one asks for it."""
    assert "ReservedConcurrentExecutions" not in only_resource_of(template, "AWS::Lambda::Function")
    asked = synthesised(tmp_path, reserved_concurrency=5)
    assert only_resource_of(asked, "AWS::Lambda::Function")["ReservedConcurrentExecutions"] == 5


@pytest.mark.parametrize("name", ["AWS_REGION", "DROPSLOT_JOURNAL", "DROPSLOT_TABLE", "TOKEN"])
def test_a_variable_of_the_constructs_own_is_refused(name: str, tmp_path: Path) -> None:
    """Given a variable that follows from something else, setting it is an error that names it."""
    with pytest.raises(ValueError, match=name):
        synthesised(tmp_path, environment={name: "other"}, secrets={"TOKEN": "shop/token"})


@pytest.mark.parametrize(("policy", "deleted"), [(RemovalPolicy.DESTROY, "Delete"), (RemovalPolicy.RETAIN, "Retain")])
def test_what_was_given_up_stays_unless_all_is_to_go(policy: RemovalPolicy, deleted: str, tmp_path: Path) -> None:
    """Given a removal policy, bucket and log follow it."""
    template = synthesised(tmp_path, removal_policy=policy)
    kept = [
        each for each in template["Resources"].values() if each["Type"] in {"AWS::S3::Bucket", "AWS::Logs::LogGroup"}
    ]
    assert [each["DeletionPolicy"] for each in kept] == [deleted, deleted]


PENDING = image()
REDRIVEN = image(attempt=1)
DONE = image(status="done-a", queue=None, ttl=1_760_086_400)
DONE_LATER = image(status="done-a", queue=None, ttl=1_760_086_400, attempt=2)
FAILED = image(status="failed-a", error="no")
FAILED_LATER = image(status="failed-a", error="no", attempt=2)
WAITING = image(status="waiting-a", tries=1)


@pytest.mark.parametrize(
    ("new", "old"),
    [
        (PENDING, None),
        (REDRIVEN, PENDING),
        (image(attempt=2), image(status="waiting-a", attempt=1)),
        (image(attempt=1, last_error="no"), FAILED),
        (image(attempt=3), DONE_LATER),
    ],
)
def test_what_the_core_would_run_passes_the_filters(new: dict[str, Any], old: dict[str, Any] | None) -> None:
    """Given a record that asks for a run, it reaches the function."""
    change = record(new, old)
    parsed = parse(data(change), table=TABLE)
    assert isinstance(parsed, Change)
    assert decide(parsed) is Decision.RUN
    assert passes(change, FILTERS)


@pytest.mark.parametrize(
    ("new", "old"),
    [(DONE, PENDING), (DONE_LATER, REDRIVEN), (FAILED, PENDING), (FAILED_LATER, REDRIVEN), (WAITING, PENDING)],
)
def test_our_own_outcomes_cost_no_invocation(new: dict[str, Any], old: dict[str, Any]) -> None:
    """Given the change record of an outcome, it doesn't reach the function."""
    assert not passes(record(new, old), FILTERS)


def test_deletions_cost_no_invocation() -> None:
    """Given the change record of an item that expired, it doesn't reach the function."""
    assert not passes(record(None, DONE), FILTERS)


def test_the_template_has_these_filters(template: Template) -> None:
    """Given the filters tried here, they are the mapping's."""
    patterns = [json.loads(each["Pattern"]) for each in mapping_of(template)["FilterCriteria"]["Filters"]]
    assert patterns == list(FILTERS)
