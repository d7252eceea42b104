"""A function of the Lambda variant: its code, its role with nothing in it but the log, and the log."""

from collections.abc import Mapping
from typing import Final

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from dropslot_infra import permissions
from dropslot_infra.review import acknowledge
from dropslot_infra.secret import find_secret
from dropslot_infra.variables import merge_variables

#: What the assets are built for; see `bundling`.
RUNTIME: Final = lambda_.Runtime.PYTHON_3_13


class Function(Construct):
    """A function that works on the table of requests.

    Args:
        scope: the parent.
        construct_id: unique in it.
        handler: ``module.function`` at the asset's root.
        description: shown in the console.
        table: of requests.
        journal: of finished steps; None for functions that run no handler.
        code: the asset.
        architecture: what the asset was built for.
        environment: variables of the handlers.
        secrets: variable to the name or ARN of a secret. Whoever may look at a function may read its variables, so
            the secret's ARN is put into ``<variable>_ARN`` instead of its value, and the role may read the secret.
        memory_mib: also decides the share of a core.
        timeout_seconds: of one invocation.
        reserved_concurrency: at most so many at once, taken from what the account has; None takes nothing.
        log_retention: how long log lines are kept.
        removal_policy: of the log.

    Raises:
        ValueError: `environment` sets what follows from other arguments.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        handler: str,
        description: str,
        table: dynamodb.ITable,
        journal: dynamodb.ITable | None = None,
        code: lambda_.Code,
        architecture: lambda_.Architecture,
        environment: Mapping[str, str],
        secrets: Mapping[str, str],
        memory_mib: int,
        timeout_seconds: int,
        reserved_concurrency: int | None,
        log_retention: logs.RetentionDays,
        removal_policy: RemovalPolicy,
    ) -> None:
        super().__init__(scope, construct_id)
        found = {variable: find_secret(self, variable, name) for variable, name in secrets.items()}
        arns = {f"{variable}_ARN": secret.secret_arn for variable, secret in found.items()}
        own = {"DROPSLOT_TABLE": table.table_name, **arns}
        if journal is not None:
            own["DROPSLOT_JOURNAL"] = journal.table_name
        # Lambda itself sets the region.
        variables = merge_variables(chosen=environment, own=own, taken={"AWS_REGION", *secrets})
        self.log_group: Final = logs.LogGroup(self, "Log", retention=log_retention, removal_policy=removal_policy)
        self.role: Final = iam.Role(
            self, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"), description=description
        )
        self.role.add_to_policy(permissions.write_log(self.log_group))
        for secret in found.values():
            self.role.add_to_policy(permissions.read_secret(secret))
        self.function: Final = lambda_.Function(
            self,
            "Function",
            description=description,
            runtime=RUNTIME,
            architecture=architecture,
            handler=handler,
            code=code,
            role=self.role,
            environment=variables,
            memory_size=memory_mib,
            timeout=Duration.seconds(timeout_seconds),
            reserved_concurrent_executions=reserved_concurrency,
            log_group=self.log_group,
        )
        acknowledge(
            self.function.node.find_child("Resource"),
            {"AwsSolutions::AwsSolutions-L1": "the same Python as in the container; all packages have wheels for it"},
        )
