"""What the constructs of a consumer are given in tests: parts that somebody else has made."""

from pathlib import Path
from typing import Any, Final

from aws_cdk import App, Environment, Stack
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_kinesis as kinesis

from dropslot_infra.kcl_consumer import KclConsumer
from dropslot_infra.network import ExistingNetwork, Network
from tests.infra.synthesis import ACCOUNT, REGION, Template, resources_of

TABLE_ARN: Final = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/shop-requests"
JOURNAL_ARN: Final = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/shop-journal"
STREAM_ARN: Final = f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/shop-requests"
#: That a call is about the item of a pause alone; one without keys doesn't pass either.
ONLY_THE_PAUSE: Final = {
    "ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["@control"]},
    "Null": {"dynamodb:LeadingKeys": "false"},
}


def make_stack() -> Stack:
    """Make a stack whose account and region are known, so that templates hold plain text."""
    return Stack(App(), "alone", env=Environment(account=ACCOUNT, region=REGION))


def table_in(stack: Stack) -> dynamodb.ITable:
    """Refer to the table of requests."""
    return dynamodb.Table.from_table_arn(stack, "Table", TABLE_ARN)


def journal_in(stack: Stack) -> dynamodb.ITable:
    """Refer to the table of finished steps."""
    return dynamodb.Table.from_table_arn(stack, "Journal", JOURNAL_ARN)


def stream_in(stack: Stack) -> kinesis.IStream:
    """Refer to the stream."""
    return kinesis.Stream.from_stream_arn(stack, "Stream", STREAM_ARN)


def consumer_in(
    stack: Stack, network: Network | ExistingNetwork, image_directory: Path, **arguments: Any
) -> KclConsumer:
    """Make a consumer in a network, which lets it reach its endpoints."""
    consumer = KclConsumer(
        stack,
        "Consumer",
        table=table_in(stack),
        journal=journal_in(stack),
        stream=stream_in(stack),
        vpc=network.vpc,
        subnets=network.subnets,
        assign_public_ip=network.assign_public_ip,
        application="shop",
        image_directory=image_directory,
        **arguments,
    )
    network.admit(consumer.service)
    return consumer


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
