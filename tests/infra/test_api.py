"""The deployed API, as the template has it: its role, its stage, and who may call."""

import json
from typing import Any

import pytest
from aws_cdk import App, RemovalPolicy, Stack
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_logs as logs

from dropslot.api.access import Auth
from dropslot.api.settings import ApiSettings, TypeSettings
from dropslot_infra.api import Api
from tests.infra.parts import actions_of
from tests.infra.synthesis import Template, only_resource_of, resolved, resources_of, template_of

POOL = "arn:aws:cognito-idp:us-east-1:123456789012:userpool/us-east-1_Ab"
TYPES = ApiSettings(types={"orders": TypeSettings(), "webhooks": TypeSettings()})


def synthesised(auth: Auth = "iam", *, types: ApiSettings = TYPES, **properties: Any) -> Template:
    """Synthesise a stack with a table and the API."""
    stack = Stack(App(), "alone")
    table = dynamodb.Table(
        stack,
        "Table",
        table_name="shop-requests",
        partition_key=dynamodb.Attribute(name="id", type=dynamodb.AttributeType.STRING),
    )
    journal = dynamodb.Table(
        stack,
        "Journal",
        table_name="shop-journal",
        partition_key=dynamodb.Attribute(name="id", type=dynamodb.AttributeType.STRING),
        sort_key=dynamodb.Attribute(name="run", type=dynamodb.AttributeType.STRING),
    )
    Api(
        stack,
        "Api",
        name="shop",
        types=types,
        table=table,
        journal=journal,
        auth=auth,
        requests_per_second=7,
        requests_burst=9,
        log_retention=logs.RetentionDays.ONE_WEEK,
        removal_policy=RemovalPolicy.DESTROY,
        **properties,
    )
    return template_of(stack)


def document_of(template: Template) -> dict[str, Any]:
    """Return the OpenAPI document with all references put in."""
    document: dict[str, Any] = resolved(only_resource_of(template, "AWS::ApiGateway::RestApi")["Body"], template)
    return document


def asked(document: dict[str, Any]) -> dict[str, Any]:
    """Return what each operation asks of its caller: the scheme, or None."""
    schemes = document["components"].get("securitySchemes", {})
    return {
        f"{method} {path}": [schemes[name] for requirement in operation.get("security", ()) for name in requirement]
        for path, item in document["paths"].items()
        for method, operation in item.items()
    }


OPERATIONS = {f"{method} /{name}" for name in ("orders", "webhooks") for method in ("put", "post")} | {
    f"get /{name}/{{id}}{rest}" for name in ("orders", "webhooks") for rest in ("", "/steps")
}


@pytest.mark.parametrize(
    ("auth", "properties", "scheme"),
    [
        ("iam", {}, {"name": "Authorization", "x-amazon-apigateway-authtype": "awsSigv4"}),
        ("api_key", {"api_keys": ["a"]}, {"name": "x-api-key"}),
        (
            "cognito",
            {"user_pool_arn": POOL},
            {
                "name": "Authorization",
                "x-amazon-apigateway-authtype": "cognito_user_pools",
                "x-amazon-apigateway-authorizer": {"type": "cognito_user_pools", "providerARNs": [POOL]},
            },
        ),
    ],
)
def test_every_operation_asks_for_the_caller(auth: Auth, properties: dict[str, Any], scheme: dict[str, Any]) -> None:
    """Given a kind of auth, then no operation can be called without it."""
    expected = [{"type": "apiKey", "in": "header", **scheme}]
    assert asked(document_of(synthesised(auth, **properties))) == dict.fromkeys(OPERATIONS, expected)


def test_an_open_type_asks_nobody(template: Template) -> None:
    """Given a type that is open, then its operations alone need no caller."""
    open_template = synthesised(open_types=["webhooks"])
    opened = {operation for operation, schemes in asked(document_of(open_template)).items() if not schemes}
    assert opened == {operation for operation in OPERATIONS if "webhooks" in operation}
    assert all(asked(document_of(template)).values())


def test_no_auth_must_be_asked_for() -> None:
    """Given auth `none`, then no operation asks."""
    assert not any(asked(document_of(synthesised("none"))).values())


def test_each_api_key_is_a_caller_of_the_plan() -> None:
    """Given two names, then there are two keys, both in the one plan of the stage, with its limits."""
    template = synthesised("api_key", api_keys=["shop", "partner"])
    keys = {key["Name"] for key in resources_of(template, "AWS::ApiGateway::ApiKey").values()}
    assert keys == {"shop-shop", "shop-partner"}
    plan = only_resource_of(template, "AWS::ApiGateway::UsagePlan")
    assert plan["Throttle"] == {"BurstLimit": 9, "RateLimit": 7}
    (stage_id,) = resources_of(template, "AWS::ApiGateway::Stage")
    assert [stage["Stage"] for stage in plan["ApiStages"]] == [{"Ref": stage_id}]
    assert len(resources_of(template, "AWS::ApiGateway::UsagePlanKey")) == 2
    assert document_of(template)["x-amazon-apigateway-api-key-source"] == "HEADER"


def test_the_role_is_for_two_tables_and_three_calls(template: Template) -> None:
    """Given the role that API Gateway calls DynamoDB with, then it may make the templates' calls alone."""
    roles = resources_of(template, "AWS::IAM::Role")
    (role_id, role), *_ = ((key, role) for key, role in roles.items() if "Policies" in role)
    (policy,) = role["Policies"]
    statements = policy["PolicyDocument"]["Statement"]
    assert {statement["Effect"] for statement in statements} == {"Allow"}
    may = {resolved(each["Resource"], template).rpartition(":")[2]: actions_of(each) for each in statements}
    assert may == {
        "shop-requests": {"dynamodb:GetItem", "dynamodb:UpdateItem"},
        "shop-journal": {"dynamodb:Query"},
    }
    assert not resources_of(template, "AWS::IAM::Policy")
    integrations = [
        operation["x-amazon-apigateway-integration"]
        for item in document_of(template)["paths"].values()
        for operation in item.values()
    ]
    assert {integration["credentials"].rpartition(":")[2] for integration in integrations} == {role_id}
    called = {integration["uri"].rpartition("/")[2] for integration in integrations}
    assert {f"dynamodb:{action}" for action in called} == set().union(*may.values())


def test_the_stage_limits_and_logs_calls_without_what_they_carry(template: Template) -> None:
    """Given the stage, then it has the limits, and its log lines are JSON of API Gateway's own variables."""
    stage = only_resource_of(template, "AWS::ApiGateway::Stage")
    (limits,) = stage["MethodSettings"]
    assert (limits["ThrottlingRateLimit"], limits["ThrottlingBurstLimit"]) == (7, 9)
    assert (limits["HttpMethod"], limits["ResourcePath"]) == ("*", "/*")
    assert (limits["LoggingLevel"], limits["DataTraceEnabled"]) == ("OFF", False)
    line = json.loads(stage["AccessLogSetting"]["Format"])
    assert line.pop("event") == "api_call"
    assert {value.split(".")[0] for value in line.values()} == {"$context"}
    assert line["method"] == "$context.httpMethod"
    assert line["status"] == "$context.status"
    assert only_resource_of(template, "AWS::Logs::LogGroup")["RetentionInDays"] == 7


def test_the_account_s_own_role_for_logs_can_be_left_alone(template: Template) -> None:
    """Given an account that lets API Gateway write logs already, then nothing here changes that; else it is seen to."""
    own = synthesised(log_role=False)
    assert not resources_of(own, "AWS::ApiGateway::Account")
    assert len(resources_of(own, "AWS::IAM::Role")) == 1
    assert only_resource_of(own, "AWS::ApiGateway::Stage")["AccessLogSetting"]
    (account,) = (one for one in template["Resources"].values() if one["Type"] == "AWS::ApiGateway::Account")
    assert account["DeletionPolicy"] == "Retain"


def test_another_document_is_another_deployment(template: Template) -> None:
    """Given a change of what the API accepts, then the stage gets a new deployment, or it would serve the old one."""
    changed = ApiSettings(types={**TYPES.types, "orders": TypeSettings(kept_headers=("X-Shop",))})
    (before,) = resources_of(template, "AWS::ApiGateway::Deployment")
    (same,) = resources_of(synthesised(), "AWS::ApiGateway::Deployment")
    (after,) = resources_of(synthesised(types=changed), "AWS::ApiGateway::Deployment")
    assert before == same != after


@pytest.fixture(scope="module")
def template() -> Template:
    """The template with the default auth."""
    return synthesised()
