"""The table of who is connected, and of who waits for which request."""

from typing import Final

from aws_cdk import RemovalPolicy
from aws_cdk import aws_dynamodb as dynamodb
from constructs import Construct

from dropslot.core import names
from dropslot.core.feedback import CONNECTION
from dropslot_infra.review import acknowledge


class Connections(Construct):
    """A table that holds nothing worth keeping: what is in it is over with the connections, two hours later at most.

    It has no name of its own, so nothing of it is ever in a later stack's way.

    Args:
        scope: the parent.
        construct_id: unique in it.
    """

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(scope, construct_id)
        self.table: Final = dynamodb.Table(
            self,
            "Table",
            partition_key=dynamodb.Attribute(name=names.ID, type=dynamodb.AttributeType.STRING),
            sort_key=dynamodb.Attribute(name=CONNECTION, type=dynamodb.AttributeType.STRING),
            time_to_live_attribute=names.TTL,
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            removal_policy=RemovalPolicy.DESTROY,
        )
        acknowledge(
            self.table,
            {"AwsSolutions::AwsSolutions-DDB3": "connections of another hour are gone: there is nothing to go back to"},
        )
