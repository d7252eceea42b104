"""The scheduled sweep."""

from pathlib import Path
from typing import Any

import pytest
from aws_cdk import aws_lambda as lambda_

from dropslot_infra.sweep import ScheduledSweep
from tests.infra.parts import make_stack, table_in
from tests.infra.synthesis import Template, only_resource_of, template_of


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Template:
    """The template of a sweep with an asset that nobody has to build."""
    return synthesised(tmp_path_factory.mktemp("asset"), environment={"DROPSLOT_SWEEP_GRACE_SECONDS": "400"})


def synthesised(folder: Path, **arguments: Any) -> Template:
    """Synthesise a sweep."""
    stack = make_stack()
    ScheduledSweep(stack, "Sweep", table=table_in(stack), code=lambda_.Code.from_asset(str(folder)), **arguments)
    return template_of(stack)


def test_it_runs_every_minute_and_ends_before_the_next(template: Template) -> None:
    """Given the schedule, one sweep is over when the next one starts."""
    assert only_resource_of(template, "AWS::Events::Rule")["ScheduleExpression"] == "rate(1 minute)"
    assert only_resource_of(template, "AWS::Lambda::Function")["Timeout"] < 60


def test_a_late_or_failed_sweep_is_not_repeated(template: Template) -> None:
    """Given a sweep that failed, the next one does its work: neither the schedule nor Lambda tries it again."""
    (target,) = only_resource_of(template, "AWS::Events::Rule")["Targets"]
    invocation = only_resource_of(template, "AWS::Lambda::EventInvokeConfig")
    assert target["RetryPolicy"]["MaximumRetryAttempts"] == 0
    assert invocation["MaximumRetryAttempts"] == 0
    assert invocation["MaximumEventAgeInSeconds"] == 60


def test_only_its_rule_may_start_it(template: Template) -> None:
    """Given the function, the rule is the one that may call it."""
    permission = only_resource_of(template, "AWS::Lambda::Permission")
    assert permission["Principal"] == "events.amazonaws.com"
    (rule_id,) = (name for name, each in template["Resources"].items() if each["Type"] == "AWS::Events::Rule")
    assert permission["SourceArn"]["Fn::GetAtt"] == [rule_id, "Arn"]


def test_it_sweeps_by_the_consumers_settings(template: Template) -> None:
    """Given the operator's variables, the sweep has them and the table's name."""
    function = only_resource_of(template, "AWS::Lambda::Function")
    assert function["Environment"]["Variables"] == {
        "DROPSLOT_SWEEP_GRACE_SECONDS": "400",
        "DROPSLOT_TABLE": "shop-requests",
    }
    assert function["Architectures"] == ["arm64"]
