"""The consumer as a Lambda function that an event source mapping calls with batches of the stream."""

import json
from collections.abc import Mapping
from typing import Final

from aws_cdk import CfnElement, Duration, RemovalPolicy, Stack
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kinesis as kinesis
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from constructs import Construct

from dropslot.core import mapping
from dropslot_infra import permissions
from dropslot_infra.function import Function
from dropslot_infra.review import acknowledge

#: Given-up batches hold bodies of requests: they are kept as long as it takes to look into them.
FAILURES_KEPT_DAYS: Final = 30


class LambdaConsumer(Construct):
    """A function with an alias, and the mapping that feeds it from the stream.

    Args:
        scope: the parent.
        construct_id: unique in it.
        table: of requests.
        journal: of finished steps.
        stream: with the table's change records.
        code: the asset, see `bundling`.
        architecture: what the asset was built for.
        environment: variables of the function.
        secrets: see `Function`.
        memory_mib: also decides the share of a core.
        timeout_seconds: of one batch; above the time limit of a handler by 10 s at least.
        batch_size: records of one invocation at most.
        batching_window_seconds: how long records are gathered, when there are fewer.
        parallelization: batches of one shard that run at once, 1 to 10.
        retry_attempts: deliveries of a failing batch after the first; the sweep brings again what is then given up.
        reserved_concurrency: at most so many invocations at once, taken from what the account has; None takes nothing:
            shards times `parallelization` limit them already.
        log_retention: how long log lines are kept.
        removal_policy: of the log and of the bucket with given-up batches.

    Raises:
        ValueError: `environment` sets what follows from other arguments.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        table: dynamodb.ITable,
        journal: dynamodb.ITable,
        stream: kinesis.IStream,
        code: lambda_.Code,
        architecture: lambda_.Architecture = lambda_.Architecture.ARM_64,
        environment: Mapping[str, str] | None = None,
        secrets: Mapping[str, str] | None = None,
        memory_mib: int = mapping.STREAM_MEMORY_MIB,
        timeout_seconds: int = mapping.STREAM_TIMEOUT_SECONDS,
        batch_size: int = mapping.BATCH_SIZE,
        batching_window_seconds: int = mapping.BATCHING_WINDOW_SECONDS,
        parallelization: int = mapping.PARALLELIZATION,
        retry_attempts: int = mapping.RETRY_ATTEMPTS,
        reserved_concurrency: int | None = None,
        log_retention: logs.RetentionDays = logs.RetentionDays.ONE_MONTH,
        removal_policy: RemovalPolicy = RemovalPolicy.RETAIN,
    ) -> None:
        super().__init__(scope, construct_id)
        built = Function(
            self,
            "Stream",
            handler=mapping.STREAM_HANDLER,
            description="Consumer of Dropslot: runs requests as the stream brings them",
            table=table,
            journal=journal,
            code=code,
            architecture=architecture,
            environment=environment if environment is not None else {},
            secrets=secrets if secrets is not None else {},
            memory_mib=memory_mib,
            timeout_seconds=timeout_seconds,
            reserved_concurrency=reserved_concurrency,
            log_retention=log_retention,
            removal_policy=removal_policy,
        )
        self.function: Final = built.function
        self.role: Final[iam.IRole] = built.role
        self.log_group: Final = built.log_group
        self.failures: Final = s3.Bucket(
            self,
            "Failures",
            encryption=s3.BucketEncryption.S3_MANAGED,
            enforce_ssl=True,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            lifecycle_rules=[s3.LifecycleRule(expiration=Duration.days(FAILURES_KEPT_DAYS))],
            removal_policy=removal_policy,
        )
        for statement in (
            permissions.use_requests(table),
            permissions.keep_journal(journal),
            permissions.poll_stream(stream),
            *permissions.keep_failures(self.failures),
        ):
            built.role.add_to_policy(statement)
        self._review(built.role)
        # The mapping points at the alias, so a deployment moves it from one whole version to the next.
        self.alias: Final = lambda_.Alias(self, "Live", alias_name="live", version=self.function.current_version)
        # The template's own resource: the construct above it would grant the role more than it needs.
        self.mapping: Final = lambda_.CfnEventSourceMapping(
            self,
            "Mapping",
            event_source_arn=stream.stream_arn,
            function_name=self.alias.function_arn,
            starting_position=mapping.STARTING_POSITION,
            batch_size=batch_size,
            maximum_batching_window_in_seconds=batching_window_seconds,
            parallelization_factor=parallelization,
            filter_criteria=lambda_.CfnEventSourceMapping.FilterCriteriaProperty(
                filters=[
                    lambda_.CfnEventSourceMapping.FilterProperty(pattern=json.dumps(one)) for one in mapping.FILTERS
                ]
            ),
            function_response_types=[mapping.RESPONSE_TYPE],
            bisect_batch_on_function_error=mapping.BISECT,
            maximum_retry_attempts=retry_attempts,
            maximum_record_age_in_seconds=mapping.RECORD_AGE_SECONDS,
            # A bucket keeps the records themselves, a queue would keep only where they were.
            destination_config=lambda_.CfnEventSourceMapping.DestinationConfigProperty(
                on_failure=lambda_.CfnEventSourceMapping.OnFailureProperty(destination=self.failures.bucket_arn)
            ),
            metrics_config=lambda_.CfnEventSourceMapping.MetricsConfigProperty(metrics=["EventCount"]),
        )
        # Lambda tries the permissions when it makes the mapping.
        self.mapping.node.add_dependency(built.role)

    def _review(self, role: iam.Role) -> None:
        bucket = self.failures.node.find_child("Resource")
        assert isinstance(bucket, CfnElement)  # noqa: S101 - tells the type checker
        bucket_id = Stack.of(self).get_logical_id(bucket)
        acknowledge(
            role.node.find_child("DefaultPolicy"),
            {
                f"AwsSolutions::AwsSolutions-IAM5[Resource::<{bucket_id}.Arn>/*]": (
                    "Lambda names the objects, by mapping, shard and time; the bucket holds nothing else"
                )
            },
        )
        acknowledge(
            bucket,
            {"AwsSolutions::AwsSolutions-S1": "only Lambda writes here, and what it writes is gone after a month"},
        )
