"""What operators may do: a policy to look and one to act, for whoever is called when something is wrong."""

from collections.abc import Sequence
from typing import Final

from aws_cdk import ArnFormat, CfnElement, CfnOutput, Stack
from aws_cdk import aws_iam as iam
from constructs import Construct

from dropslot_infra import permissions
from dropslot_infra.kcl_consumer import KclConsumer
from dropslot_infra.lambda_consumer import LambdaConsumer
from dropslot_infra.requests import Requests
from dropslot_infra.review import acknowledge

_ANY: Final = "AwsSolutions::AwsSolutions-IAM5[Resource::*]"


class Operators(Construct):
    """Two managed policies: `look` has every read of the operator's commands, `act` every write; acting takes both.

    They have names, by which permission sets of IAM Identity Center find them in each account; with the region in
    them, since IAM has none and a stack may stand in several.

    Args:
        scope: the parent.
        construct_id: unique in it.
        name: what the policies' names begin with.
        requests: the tables and the stream.
        consumer: what runs requests, and keeps how far it is.
        viewer_roles: names of roles of this account that get `look`.
        operator_roles: names of roles that get both.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        requests: Requests,
        consumer: KclConsumer | LambdaConsumer,
        viewer_roles: Sequence[str] = (),
        operator_roles: Sequence[str] = (),
    ) -> None:
        super().__init__(scope, construct_id)
        look = [
            permissions.look_at_requests(requests.table),
            permissions.find_unfinished(requests.table),
            permissions.look_at_journal(requests.journal),
            permissions.read_stream(requests.stream),
            permissions.find_mappings(),
        ]
        act = [
            permissions.redrive_and_restore(requests.table),
            permissions.forget_request(requests.table),
            permissions.forget_journal(requests.journal),
            permissions.pause(requests.table),
        ]
        if isinstance(consumer, KclConsumer):
            look.append(permissions.look_at_leases(consumer.tables))
        else:
            look += [permissions.look_at_metrics(), *permissions.read_failures(consumer.failures)]
            act.append(permissions.switch_mapping(self._arn_of(consumer)))
        roles = {
            role: iam.Role.from_role_name(self, f"Role-{role}", role)
            for role in dict.fromkeys((*viewer_roles, *operator_roles))
        }
        self.look: Final = self._policy("Look", name, "What operators of Dropslot read", look, list(roles.values()))
        self.act: Final = self._policy(
            "Act", name, "What operators of Dropslot write", act, [roles[role] for role in operator_roles]
        )
        self._review(consumer)

    def _policy(
        self, kind: str, name: str, description: str, statements: list[iam.PolicyStatement], roles: list[iam.IRole]
    ) -> iam.ManagedPolicy:
        stack = Stack.of(self)
        policy = iam.ManagedPolicy(
            self,
            kind,
            managed_policy_name=f"{name}-{stack.region}-{kind.lower()}",
            description=description,
            statements=statements,
            roles=roles,
        )
        CfnOutput(stack, f"{kind}Policy", value=policy.managed_policy_arn, description=description)
        return policy

    def _arn_of(self, consumer: LambdaConsumer) -> str:
        return Stack.of(self).format_arn(
            service="lambda",
            resource="event-source-mapping",
            resource_name=consumer.mapping.ref,
            arn_format=ArnFormat.COLON_RESOURCE_NAME,
        )

    def _review(self, consumer: KclConsumer | LambdaConsumer) -> None:
        if isinstance(consumer, KclConsumer):
            acknowledge(self.look, {_ANY: "ListEventSourceMappings knows no resource"})
            return
        bucket = consumer.failures.node.find_child("Resource")
        assert isinstance(bucket, CfnElement)  # noqa: S101 - tells the type checker
        bucket_id = Stack.of(self).get_logical_id(bucket)
        acknowledge(
            self.look,
            {
                _ANY: "ListEventSourceMappings and GetMetricStatistics know no resource",
                f"AwsSolutions::AwsSolutions-IAM5[Resource::<{bucket_id}.Arn>/*]": (
                    "replay reads given-up batches; the bucket holds nothing else"
                ),
            },
        )
