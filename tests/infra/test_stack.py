"""The constructs put together: what settings become, and what a user's own code can hold on to."""

import json
import re
from typing import Any

import pytest
from aws_cdk import aws_s3 as s3

from dropslot_infra.kcl_consumer import DEFAULT_VARIABLES
from dropslot_infra.log_metrics import ACCEPTED_PATTERN
from dropslot_infra.variable_agreement import OWN_VARIABLES
from tests.infra.conftest import Assembly
from tests.infra.synthesis import Template, make_stack, only_resource_of, resources_of, settings_of, template_of

HANDLERS = {"orders": "app.handler:handle", "*": "app.webhooks:handle"}


def variables_of(template: Template) -> list[dict[str, Any]]:
    """Return the variables of each process that is started: of the container, or of the functions."""
    containers = [
        {variable["Name"]: variable["Value"] for variable in container["Environment"]}
        for task in resources_of(template, "AWS::ECS::TaskDefinition").values()
        for container in task["ContainerDefinitions"]
    ]
    functions = [
        function["Environment"]["Variables"] for function in resources_of(template, "AWS::Lambda::Function").values()
    ]
    return containers + functions


@pytest.mark.parametrize("consumer", ["kcl", "lambda"])
def test_the_handlers_and_their_variables_arrive(consumer: str) -> None:
    """Given handlers, a ttl and a variable, then whatever runs handlers is told them, and the sweep what it needs."""
    settings = settings_of(consumer=consumer, handlers=HANDLERS, ttl_seconds=300, environment={"SHOP": "north"})
    processes = variables_of(template_of(make_stack(settings)))
    for variables in processes:
        assert variables["DROPSLOT_HANDLER"] == "app.webhooks:handle,orders=app.handler:handle"
        assert variables["DROPSLOT_TTL_SECONDS"] == "300"
    assert [variables.get("SHOP") for variables in processes].count("north") == 1


@pytest.mark.parametrize("consumer", ["kcl", "lambda"])
def test_what_the_deployment_sets_cannot_be_set_otherwise(consumer: str) -> None:
    """Given nothing in `environment`, then each variable that is set all the same is a default, or refused there."""
    for variables in variables_of(template_of(make_stack(settings_of(consumer=consumer)))):
        assert variables.keys() - DEFAULT_VARIABLES.keys() <= OWN_VARIABLES.keys()


@pytest.mark.parametrize("consumer", ["kcl", "lambda"])
def test_the_handler_s_role_can_be_given_more(consumer: str) -> None:
    """Given a bucket of the user's, when its reading is granted to the handler's role, then only that role may."""
    stack = make_stack(settings_of(consumer=consumer))
    bucket = s3.Bucket(stack, "Recipes")
    bucket.grant_read(stack.handler_role)
    template = template_of(stack)
    bucket_id = stack.get_logical_id(bucket.node.default_child)  # type: ignore[arg-type]  # a CfnElement
    allowed = [
        policy["Roles"]
        for policy in resources_of(template, "AWS::IAM::Policy").values()
        if bucket_id in json.dumps(policy["PolicyDocument"])
    ]
    role_id = stack.get_logical_id(stack.handler_role.node.default_child)  # type: ignore[arg-type]  # as above
    assert allowed == [[{"Ref": role_id}]]


def test_a_variant_brings_nothing_of_the_other() -> None:
    """Given functions, then there is no network and no cluster; given tasks, then there is no function."""
    functions = template_of(make_stack(settings_of(consumer="lambda")))
    tasks = template_of(make_stack(settings_of(consumer="kcl")))
    assert not resources_of(functions, "AWS::EC2::VPC")
    assert not resources_of(functions, "AWS::ECS::Cluster")
    assert not resources_of(tasks, "AWS::Lambda::Function")
    assert not resources_of(tasks, "AWS::Lambda::EventSourceMapping")


def needed_by(template: Template, logical_id: str) -> set[str]:
    """Return all that CloudFormation makes before a resource, and deletes after it."""
    needed: set[str] = set()
    left = [logical_id]
    while left:
        resource = template["Resources"][left.pop()]
        depends = resource.get("DependsOn", [])
        named = {depends} if isinstance(depends, str) else set(depends)
        named |= set(re.findall(r'"Ref": "(\w+)"', json.dumps(resource)))
        named |= set(re.findall(r'"Fn::GetAtt": \["(\w+)"', json.dumps(resource)))
        new = (named & template["Resources"].keys()) - needed
        needed |= new
        left += new
    return needed


@pytest.mark.parametrize("network", ["public", "private"])
def test_tasks_start_when_all_is_there_that_they_need(network: str) -> None:
    """Given the service, then its network is whole and its roles have their rights before it starts a task."""
    settings = settings_of(network=network, secrets={"TOKEN": "shop/token"})
    template = template_of(make_stack(settings))
    (service,) = resources_of(template, "AWS::ECS::Service")
    needed = needed_by(template, service)
    ways = {
        name
        for name, resource in template["Resources"].items()
        if resource["Type"].startswith("AWS::EC2::") and resource["Type"] != "AWS::EC2::FlowLog"
    }
    kinds = {template["Resources"][name]["Type"] for name in ways}
    assert {"AWS::EC2::SubnetRouteTableAssociation", "AWS::EC2::VPCEndpoint"} <= kinds
    assert ("AWS::EC2::SecurityGroupIngress" if network == "private" else "AWS::EC2::Route") in kinds
    policies = {name for name in resources_of(template, "AWS::IAM::Policy") if name.startswith("ConsumerTask")}
    assert len(policies) == 2
    assert ways | policies <= needed


def test_a_paused_consumer_leaves_the_rest(template_without_tasks: Template) -> None:
    """Given no tasks, then the service wants none, nothing scales it out, and requests are still accepted."""
    assert only_resource_of(template_without_tasks, "AWS::ECS::Service")["DesiredCount"] == 0
    assert not resources_of(template_without_tasks, "AWS::ApplicationAutoScaling::ScalableTarget")
    assert resources_of(template_without_tasks, "AWS::ApiGateway::RestApi")


def test_nobody_is_woken_for_a_paused_consumer(template_without_tasks: Template) -> None:
    """Given no tasks, then no alarm is raised by the lack of readers, which one with tasks is."""

    def raised_by_nothing(template: Template) -> list[str]:
        alarms = resources_of(template, "AWS::CloudWatch::Alarm")
        return [name for name, alarm in alarms.items() if alarm["TreatMissingData"] == "breaching"]

    assert raised_by_nothing(template_without_tasks) == []
    assert len(raised_by_nothing(template_of(make_stack(settings_of())))) == 1


def test_an_image_that_is_there_is_not_built() -> None:
    """Given an image that a pipeline has pushed, then tasks run just that one."""
    template = template_of(make_stack(settings_of(image="registry.example/dropslot:7")))
    (container,) = only_resource_of(template, "AWS::ECS::TaskDefinition")["ContainerDefinitions"]
    assert container["Image"] == "registry.example/dropslot:7"


@pytest.fixture(scope="module")
def template_without_tasks() -> Template:
    """A stack whose consumer is paused."""
    return template_of(make_stack(settings_of(tasks_min=0, tasks_max=0)))


def test_only_what_is_asked_for_outlives_the_stack(assembly: Assembly) -> None:
    """Given a stack that takes its data along, then only the role that an account's APIs share stays behind."""
    kept = {
        resource["Type"]
        for resource in assembly.template["Resources"].values()
        if resource.get("DeletionPolicy", "Delete") != "Delete"
    }
    shared = {"AWS::ApiGateway::Account", "AWS::IAM::Role"}
    data = {"AWS::DynamoDB::Table", "AWS::Kinesis::Stream", "AWS::Logs::LogGroup"}
    if assembly.variant == "kcl-existing":  # it uses the role that the account has
        shared = set()
    assert kept == (shared | data if assembly.stack == "dropslot-prod" else shared)


@pytest.mark.parametrize("consumer", ["kcl", "lambda"])
def test_a_first_deployment_that_fails_leaves_as_little_as_can_be(consumer: str) -> None:
    """Given data that is to stay, then what was never used goes all the same, but for tables, which are protected."""
    template = template_of(make_stack(settings_of(consumer=consumer)))
    policies: dict[str, set[str]] = {}
    for resource in template["Resources"].values():
        policies.setdefault(resource.get("DeletionPolicy", "Delete"), set()).add(resource["Type"])
    ours = policies["Retain"] - {"AWS::ApiGateway::Account", "AWS::IAM::Role"}
    assert ours == {"AWS::DynamoDB::Table"}
    bucket = {"AWS::S3::Bucket"} if consumer == "lambda" else set()
    assert policies["RetainExceptOnCreate"] == {"AWS::Kinesis::Stream", "AWS::Logs::LogGroup"} | bucket


def test_accepted_calls_are_counted_in_the_log_of_calls(assembly: Assembly) -> None:
    """Given the filter that counts accepted requests, then the log of calls has the fields that it asks for."""
    line = json.loads(only_resource_of(assembly.template, "AWS::ApiGateway::Stage")["AccessLogSetting"]["Format"])
    assert {field for field in line if f"$.{field} " in ACCEPTED_PATTERN} == {"status", "method"}


def test_what_an_operator_needs_is_told(assembly: Assembly) -> None:
    """Given any variant, then the outputs are where to send requests, and the names of table and stream."""
    assert {"Url", "TableName", "StreamName"} <= set(assembly.template["Outputs"])


def test_a_stack_can_be_held_to_an_account_and_region() -> None:
    """Given an account and a region, then the stack is deployed nowhere else."""
    stack = make_stack(settings_of(account="123456789012", region="eu-central-1"))
    assert (stack.account, stack.region) == ("123456789012", "eu-central-1")


@pytest.mark.parametrize(("removal", "protected"), [("retain", True), ("destroy", False)])
def test_a_stack_with_data_to_keep_is_not_deleted_by_mistake(removal: str, protected: bool) -> None:
    """Given a removal policy, then the stack is protected when its data is to stay."""
    assert make_stack(settings_of(removal=removal)).termination_protection is protected
