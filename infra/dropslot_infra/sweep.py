"""The sweep of the Lambda variant: a function, once a minute."""

from collections.abc import Mapping
from typing import Final

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from dropslot.core import mapping
from dropslot_infra import permissions
from dropslot_infra.function import Function

#: The shortest that EventBridge has; a retry that is due in 5 s comes within a minute.
INTERVAL: Final = Duration.seconds(mapping.SWEEP_EVERY_SECONDS)


class ScheduledSweep(Construct):
    """Redrives what is due or overdue, so that nothing depends on the stream alone.

    Args:
        scope: the parent.
        construct_id: unique in it.
        table: of requests.
        code: the asset, see `bundling`.
        architecture: what the asset was built for.
        environment: the consumer's variables; no handler runs here, but the settings must be the same.
        memory_mib: also decides the share of a core.
        log_retention: how long log lines are kept.
        removal_policy: of the log.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        table: dynamodb.ITable,
        code: lambda_.Code,
        architecture: lambda_.Architecture = lambda_.Architecture.ARM_64,
        environment: Mapping[str, str] | None = None,
        memory_mib: int = mapping.SWEEP_MEMORY_MIB,
        log_retention: logs.RetentionDays = logs.RetentionDays.ONE_MONTH,
        removal_policy: RemovalPolicy = RemovalPolicy.RETAIN,
    ) -> None:
        super().__init__(scope, construct_id)
        built = Function(
            self,
            "Sweep",
            handler=mapping.SWEEP_HANDLER,
            description="Sweep of Dropslot: puts back what is due or overdue",
            table=table,
            code=code,
            architecture=architecture,
            environment=environment if environment is not None else {},
            secrets={},
            memory_mib=memory_mib,
            timeout_seconds=mapping.SWEEP_TIMEOUT_SECONDS,
            reserved_concurrency=None,
            log_retention=log_retention,
            removal_policy=removal_policy,
        )
        self.function: Final = built.function
        self.role: Final[iam.IRole] = built.role
        self.log_group: Final = built.log_group
        for statement in (
            permissions.find_unfinished(table),
            permissions.redrive(table),
            permissions.look_for_pause(table),
        ):
            built.role.add_to_policy(statement)
        # A sweep that failed or came late isn't repeated: the next one does the same.
        self.function.configure_async_invoke(retry_attempts=0, max_event_age=INTERVAL)
        events.Rule(
            self,
            "EveryMinute",
            description="Starts the sweep of Dropslot",
            schedule=events.Schedule.rate(INTERVAL),
            targets=[targets.LambdaFunction(self.function, retry_attempts=0, max_event_age=INTERVAL)],
        )
