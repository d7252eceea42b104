"""What the constructs of a consumer are given in tests: parts that somebody else has made."""

from typing import Any, Final

from aws_cdk import App, Environment, Stack
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_kinesis as kinesis

from tests.infra.synthesis import ACCOUNT, REGION, Template, resources_of

TABLE_ARN: Final = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/shop-requests"
STREAM_ARN: Final = f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/shop-requests"


def make_stack() -> Stack:
    """Make a stack whose account and region are known, so that templates hold plain text."""
    return Stack(App(), "alone", env=Environment(account=ACCOUNT, region=REGION))


def table_in(stack: Stack) -> dynamodb.ITable:
    """Refer to the table of requests."""
    return dynamodb.Table.from_table_arn(stack, "Table", TABLE_ARN)


def stream_in(stack: Stack) -> kinesis.IStream:
    """Refer to the stream."""
    return kinesis.Stream.from_stream_arn(stack, "Stream", STREAM_ARN)


def statements_of(template: Template, role: str) -> dict[str, dict[str, Any]]:
    """Return what a role may do, by the statements' ids.

    Args:
        template: of the stack.
        role: part of the policy's logical id.
    """
    (policy,) = (
        properties
        for logical_id, properties in resources_of(template, "AWS::IAM::Policy").items()
        if role in logical_id
    )
    return {one.get("Sid", str(at)): one for at, one in enumerate(policy["PolicyDocument"]["Statement"])}


def actions_of(statement: dict[str, Any]) -> set[str]:
    """Return a statement's actions, of which one stands there without a list."""
    actions = statement["Action"]
    return {actions} if isinstance(actions, str) else set(actions)
