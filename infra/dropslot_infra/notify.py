"""The function that pushes outcomes, as the stream brings them."""

import json
from collections.abc import Mapping
from typing import Final

from aws_cdk import RemovalPolicy
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_kinesis as kinesis
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from dropslot.core import mapping
from dropslot_infra import permissions
from dropslot_infra.function import Function
from dropslot_infra.websocket import WebSocket


class Notify(Construct):
    """A function, and a mapping of its own that feeds it from the stream: beside the consumer, and never in its way.

    What it gives up is kept nowhere: clients find the same by asking.

    Args:
        scope: the parent.
        construct_id: unique in it.
        table: of requests.
        stream: with the table's change records.
        connections: table of who waits for what.
        websocket: the API whose connections are pushed to.
        code: the asset, see `bundling`.
        architecture: what the asset was built for.
        environment: variables of the function.
        log_retention: how long log lines are kept.
        removal_policy: of the log.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        table: dynamodb.ITable,
        stream: kinesis.IStream,
        connections: dynamodb.ITable,
        websocket: WebSocket,
        code: lambda_.Code,
        architecture: lambda_.Architecture,
        environment: Mapping[str, str],
        log_retention: logs.RetentionDays,
        removal_policy: RemovalPolicy,
    ) -> None:
        super().__init__(scope, construct_id)
        built = Function(
            self,
            "Notify",
            handler=mapping.NOTIFY_HANDLER,
            description="Feedback of Dropslot: pushes outcomes to who waits for them",
            table=table,
            code=code,
            architecture=architecture,
            environment=environment,
            secrets={},
            memory_mib=mapping.NOTIFY_MEMORY_MIB,
            timeout_seconds=mapping.NOTIFY_TIMEOUT_SECONDS,
            reserved_concurrency=None,
            log_retention=log_retention,
            removal_policy=removal_policy,
        )
        self.function: Final = built.function
        for statement in (permissions.poll_stream(stream), permissions.find_watchers(connections)):
            built.role.add_to_policy(statement)
        websocket.let_push(built.role)
        feed = lambda_.CfnEventSourceMapping(
            self,
            "Mapping",
            event_source_arn=stream.stream_arn,
            function_name=self.function.function_arn,
            starting_position=mapping.NOTIFY_STARTING_POSITION,
            batch_size=mapping.NOTIFY_BATCH_SIZE,
            maximum_batching_window_in_seconds=mapping.NOTIFY_BATCHING_WINDOW_SECONDS,
            parallelization_factor=mapping.NOTIFY_PARALLELIZATION,
            filter_criteria=lambda_.CfnEventSourceMapping.FilterCriteriaProperty(
                filters=[
                    lambda_.CfnEventSourceMapping.FilterProperty(pattern=json.dumps(one))
                    for one in mapping.NOTIFY_FILTERS
                ]
            ),
            function_response_types=[mapping.RESPONSE_TYPE],
            bisect_batch_on_function_error=mapping.NOTIFY_BISECT,
            maximum_retry_attempts=mapping.NOTIFY_RETRY_ATTEMPTS,
            maximum_record_age_in_seconds=mapping.NOTIFY_RECORD_AGE_SECONDS,
        )
        # Lambda tries the permissions when it makes the mapping.
        feed.node.add_dependency(built.role)
