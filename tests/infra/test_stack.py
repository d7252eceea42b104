"""The constructs put together: what settings become, and what a user's own code can hold on to."""

import json
from typing import Any

import pytest
from aws_cdk import aws_s3 as s3

from dropslot_infra import settings as settings_module
from dropslot_infra import stack as stack_module
from dropslot_infra.log_metrics import ACCEPTED_PATTERN
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


def test_a_paused_consumer_leaves_the_rest(template_without_tasks: Template) -> None:
    """Given no tasks, then the service wants none, nothing scales it out, and requests are still accepted."""
    assert only_resource_of(template_without_tasks, "AWS::ECS::Service")["DesiredCount"] == 0
    assert not resources_of(template_without_tasks, "AWS::ApplicationAutoScaling::ScalableTarget")
    assert resources_of(template_without_tasks, "AWS::ApiGateway::RestApi")


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
        if resource.get("DeletionPolicy") == "Retain"
    }
    shared = {"AWS::ApiGateway::Account", "AWS::IAM::Role"}
    data = {"AWS::DynamoDB::Table", "AWS::Kinesis::Stream", "AWS::Logs::LogGroup"}
    assert kept == (shared | data if assembly.stack == "dropslot-prod" else shared)


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


def test_each_retention_can_be_deployed() -> None:
    """Given the choices for how long logs are kept, then the stack knows each."""
    assert set(settings_module._LOG_DAYS) == set(stack_module._RETENTION)
