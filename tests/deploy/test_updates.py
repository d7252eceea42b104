"""What a team changes later: CloudFormation must do it in place where data or an address hang on it."""

from collections.abc import Mapping
from dataclasses import fields
from ipaddress import ip_network
from typing import Any, Final

import pytest

from dropslot_infra.settings import DeploymentSettings
from tests.infra.synthesis import Template, make_stack, settings_of, template_of

#: Properties that can't change without a new resource in the old one's place
#: (https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-dynamodb-table.html,
#: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-kinesis-stream.html),
#: and indexes, of which one update makes or drops one at most. An API is replaced only if its logical id changes.
_FIXED: Final[Mapping[str, tuple[str, ...]]] = {
    "AWS::DynamoDB::Table": (
        "TableName",
        "KeySchema",
        "AttributeDefinitions",
        "LocalSecondaryIndexes",
        "GlobalSecondaryIndexes",
        "ImportSourceSpecification",
    ),
    "AWS::Kinesis::Stream": ("Name",),
    "AWS::ApiGateway::RestApi": (),
}
#: Of KCL's tables, which go when something else consumes, and hold nothing of the clients'.
_KCL: Final = "ConsumerKcl"
#: By what they are about, settings that may change on a stack that is in use.
CHANGES: Final[Mapping[str, Mapping[str, Any]]] = {
    "data": {"ttl_seconds": 300, "shards": 2, "stream_retention_hours": 48, "removal": "destroy"},
    "stream on demand": {"shards": "on-demand"},
    "API": {
        "api": "tests/deploy/later.toml",
        "handlers": {"*": "app.webhooks:handle"},
        "auth": "api_key",
        "api_keys": ["till"],
        "open_types": ["webhooks"],
        "cors_origin": "https://shop.example",
        "requests_per_second": 50,
        "requests_burst": 60,
    },
    "callers": {
        "auth": "cognito",
        "cognito_user_pool_arn": "arn:aws:cognito-idp:us-east-1:123456789012:userpool/us-east-1_a",
    },
    "tasks": {
        "task_cpu": 1024,
        "task_memory_mib": 2048,
        "tasks_min": 0,
        "tasks_max": 0,
        "image": "123456789012.dkr.ecr.us-east-1.amazonaws.com/dropslot:2",
        "environment": {"SHOP": "north"},
        "secrets": {"TOKEN": "shop/token"},
        "alarm_email": "on-call@example.com",
        "log_retention_days": 90,
    },
    "feedback": {"feedback": True, "feedback_concurrency": 5, "api_log_role": "account"},
    "functions": {"consumer": "lambda", "function_memory_mib": 1024, "function_concurrency": 2},
    "operators": {"viewer_roles": ["support"], "operator_roles": ["on-call"]},
    "network": {"network": "private"},
    "network of others": {
        "network": "existing",
        "vpc_id": "vpc-0a1b2c3d",
        "vpc_subnet_ids": ["subnet-0a1b2c3d"],
        "vpc_public_ips": True,
    },
}
#: With another of these it is another stack.
IDENTITY: Final = {"name", "account", "region"}


@pytest.fixture(scope="module")
def before() -> Template:
    """The template of a stack that is in use."""
    return template_of(make_stack(settings_of()))


@pytest.fixture(scope="module", params=CHANGES)
def after(request: pytest.FixtureRequest) -> Template:
    """The template of the same stack after a change."""
    return template_of(make_stack(settings_of(**CHANGES[request.param])))


def test_each_setting_is_changed_by_one_of_these() -> None:
    """Given all settings, then each is tried below, but for those that name another stack."""
    tried = {name for change in CHANGES.values() for name in change}
    assert tried == {field.name for field in fields(DeploymentSettings)} - IDENTITY


def test_a_change_replaces_neither_data_nor_address(before: Template, after: Template) -> None:
    """Given a change, then tables, stream and API keep their ids and what is fixed in them."""
    kept = {
        name: one
        for name, one in before["Resources"].items()
        if one["Type"] in _FIXED and (name in after["Resources"] or not name.startswith(_KCL))
    }
    assert len([name for name in kept if not name.startswith(_KCL)]) == 4
    for name, old in kept.items():
        new = after["Resources"][name]
        for fixed in _FIXED[old["Type"]]:
            assert new.get("Properties", {}).get(fixed) == old.get("Properties", {}).get(fixed), (name, fixed)


def test_no_id_gets_another_type(before: Template, after: Template) -> None:
    """Given a change, then no logical id stands for something of another type, which CloudFormation refuses."""
    for name, one in after["Resources"].items():
        assert one["Type"] == before["Resources"].get(name, one)["Type"]


def test_new_subnets_leave_room_for_the_old(before: Template, after: Template) -> None:
    """Given a change, then no new subnet overlaps one of the same VPC that goes only once all that is new is there."""
    old = _subnets(before)
    for name, (vpc, block) in _subnets(after).items():
        if name not in old:
            assert not [other for other in old.values() if other[0] == vpc and other[1].overlaps(block)]


def _subnets(template: Template) -> dict[str, tuple[str, Any]]:
    return {
        name: (one["Properties"]["VpcId"]["Ref"], ip_network(one["Properties"]["CidrBlock"]))
        for name, one in template["Resources"].items()
        if one["Type"] == "AWS::EC2::Subnet"
    }
