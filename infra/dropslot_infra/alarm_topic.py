"""Where alarms are sent: an encrypted topic with one subscriber."""

from typing import Final

from aws_cdk import RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

_CLOUDWATCH: Final = "cloudwatch.amazonaws.com"


class AlarmTopic(Construct):
    """A topic to which this account's alarms alone may publish; its subscriber confirms by a link in a first mail.

    Args:
        scope: the parent.
        construct_id: unique in it.
        email: of the subscriber.
    """

    def __init__(self, scope: Construct, construct_id: str, *, email: str) -> None:
        super().__init__(scope, construct_id)
        # A key of our own: CloudWatch may not use the one that SNS keeps for all.
        key = kms.Key(
            self,
            "Key",
            description="Encrypts alarms of Dropslot",
            enable_key_rotation=True,
            removal_policy=RemovalPolicy.DESTROY,
        )
        key.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[iam.ServicePrincipal(_CLOUDWATCH)],
                # Without a condition: the topic's own policy says whose alarms may come.
                actions=["kms:Decrypt", "kms:GenerateDataKey*"],
                resources=["*"],
            )
        )
        self.topic: Final = sns.Topic(self, "Topic", display_name="Dropslot", master_key=key, enforce_ssl=True)
        self.topic.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[iam.ServicePrincipal(_CLOUDWATCH)],
                actions=["sns:Publish"],
                resources=[self.topic.topic_arn],
                conditions={"StringEquals": {"aws:SourceAccount": Stack.of(self).account}},
            )
        )
        self.topic.add_subscription(subscriptions.EmailSubscription(email))
