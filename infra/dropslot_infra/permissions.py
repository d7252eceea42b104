"""What each role may do, action by action; each statement names the calls that need it."""

from collections.abc import Sequence
from typing import Final

from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kinesis as kinesis
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_secretsmanager as secretsmanager

from dropslot.core.names import UNFINISHED_INDEX
from dropslot_infra.kcl_tables import LEASE_INDEX, KclTables

#: BatchGetItem reads states before a run; BatchExecuteStatement of UPDATE statements writes outcomes.
USE_REQUESTS: Final = ("dynamodb:BatchGetItem", "dynamodb:PartiQLUpdate")
#: The sweep reads the index, and redrives by BatchExecuteStatement.
FIND_UNFINISHED: Final = ("dynamodb:Query",)
REDRIVE: Final = ("dynamodb:PartiQLUpdate",)

#: KCL by polling: ListShards for leases and their children, the others for records. Without enhanced fan-out it neither
#: describes the stream nor registers a consumer.
READ_STREAM: Final = ("kinesis:GetRecords", "kinesis:GetShardIterator", "kinesis:ListShards")
#: An event source mapping's poller; without enhanced fan-out it needs no SubscribeToShard.
#: https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-create.html
POLL_STREAM: Final = (*READ_STREAM, "kinesis:DescribeStream", "kinesis:DescribeStreamSummary")

#: Leases prepared by us (TransactWriteItems) need PutItem. With KCL 3.5 the leader's lock and the workers' statistics
#: lie here too, which adds no action.
KEEP_LEASES: Final = (
    "dynamodb:DeleteItem",
    "dynamodb:DescribeTable",
    "dynamodb:GetItem",
    "dynamodb:PutItem",
    "dynamodb:Scan",
    "dynamodb:UpdateItem",
)
#: KCL 3.0 to 3.4: the leader's lock, and the state of a migration from KCL 2.
KEEP_COORDINATION: Final = (
    "dynamodb:DeleteItem",
    "dynamodb:DescribeTable",
    "dynamodb:GetItem",
    "dynamodb:PutItem",
    "dynamodb:UpdateItem",
)
#: KCL 3.0 to 3.4: how busy each worker is.
KEEP_WORKER_STATISTICS: Final = (
    "dynamodb:DeleteItem",
    "dynamodb:DescribeTable",
    "dynamodb:Scan",
    "dynamodb:UpdateItem",
)
#: Which leases a worker has, by their owner.
FIND_LEASES: Final = ("dynamodb:Query",)

#: BatchGetItem reads the states of what a client watches.
READ_REQUESTS: Final = ("dynamodb:BatchGetItem",)
#: UpdateItem counts a connection's watches, and tells whose it is.
KEEP_WATCHES: Final = (
    "dynamodb:BatchWriteItem",
    "dynamodb:DeleteItem",
    "dynamodb:PutItem",
    "dynamodb:UpdateItem",
)
#: Who waits for a request; BatchWriteItem forgets it once it is settled.
FIND_WATCHERS: Final = ("dynamodb:BatchWriteItem", "dynamodb:Query")
#: https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-control-access-iam.html
PUSH: Final = ("execute-api:ManageConnections",)

PUBLISH_METRICS: Final = ("cloudwatch:PutMetricData",)
#: The handler asks for a secret's value by its ARN.
READ_SECRET: Final = ("secretsmanager:GetSecretValue",)
WRITE_LOG: Final = ("logs:CreateLogStream", "logs:PutLogEvents")
#: https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html
KEEP_FAILURES: Final = ("s3:PutObject",)
LOOK_FOR_FAILURES: Final = ("s3:ListBucket",)


def use_requests(table: dynamodb.ITable) -> iam.PolicyStatement:
    """Allow a consumer what it does with requests; the sweep is extra."""
    return _allow("UseRequests", USE_REQUESTS, table.table_arn)


def find_unfinished(table: dynamodb.ITable) -> iam.PolicyStatement:
    """Allow the sweep to look for what is due or overdue."""
    return _allow("FindUnfinished", FIND_UNFINISHED, f"{table.table_arn}/index/{UNFINISHED_INDEX}")


def redrive(table: dynamodb.ITable) -> iam.PolicyStatement:
    """Allow a sweep of its own to put requests back to pending."""
    return _allow("Redrive", REDRIVE, table.table_arn)


def read_stream(stream: kinesis.IStream) -> iam.PolicyStatement:
    """Allow KCL to read this stream."""
    return _allow("ReadStream", READ_STREAM, stream.stream_arn)


def poll_stream(stream: kinesis.IStream) -> iam.PolicyStatement:
    """Allow an event source mapping to read this stream for the function."""
    return _allow("PollStream", POLL_STREAM, stream.stream_arn)


def keep_leases(tables: KclTables) -> tuple[iam.PolicyStatement, ...]:
    """Allow KCL its bookkeeping in tables that are there already."""
    leases = tables.leases.table_arn
    return (
        _allow("KeepLeases", KEEP_LEASES, leases),
        _allow("FindLeases", FIND_LEASES, f"{leases}/index/{LEASE_INDEX}"),
        _allow("KeepCoordination", KEEP_COORDINATION, tables.coordination.table_arn),
        _allow("KeepWorkerStatistics", KEEP_WORKER_STATISTICS, tables.statistics.table_arn),
    )


def read_requests(table: dynamodb.ITable) -> iam.PolicyStatement:
    """Allow the states of requests to be read."""
    return _allow("ReadRequests", READ_REQUESTS, table.table_arn)


def keep_watches(connections: dynamodb.ITable) -> iam.PolicyStatement:
    """Allow who is connected, and who waits for what, to be written down."""
    return _allow("KeepWatches", KEEP_WATCHES, connections.table_arn)


def find_watchers(connections: dynamodb.ITable) -> iam.PolicyStatement:
    """Allow those who wait for a request to be found, and then forgotten."""
    return _allow("FindWatchers", FIND_WATCHERS, connections.table_arn)


def push(connections_arn: str) -> iam.PolicyStatement:
    """Allow messages to be sent to connections of one API; none may be looked at or cut off."""
    return _allow("Push", PUSH, connections_arn)


def publish_metrics(namespace: str) -> iam.PolicyStatement:
    """Allow metrics in one namespace; the action knows no resource, only this condition."""
    return iam.PolicyStatement(
        sid="PublishMetrics",
        actions=list(PUBLISH_METRICS),
        resources=["*"],
        conditions={"StringEquals": {"cloudwatch:namespace": namespace}},
    )


def write_log(log_group: logs.ILogGroup) -> iam.PolicyStatement:
    """Allow a function to log: into its own group alone, and not to make groups."""
    return _allow("WriteLog", WRITE_LOG, log_group.log_group_arn)


def read_secret(secret: secretsmanager.ISecret) -> iam.PolicyStatement:
    """Allow a function to read this secret's value."""
    # A secret known by name alone has an ARN without the six characters that Secrets Manager adds.
    arn = secret.secret_full_arn if secret.secret_full_arn is not None else f"{secret.secret_arn}-??????"
    return iam.PolicyStatement(actions=list(READ_SECRET), resources=[arn])


def keep_failures(bucket: s3.IBucket) -> tuple[iam.PolicyStatement, ...]:
    """Allow an event source mapping to put given-up batches into this bucket."""
    return (
        _allow("KeepFailures", KEEP_FAILURES, bucket.arn_for_objects("*")),
        _allow("LookForFailures", LOOK_FOR_FAILURES, bucket.bucket_arn),
    )


def _allow(sid: str, actions: Sequence[str], resource: str) -> iam.PolicyStatement:
    return iam.PolicyStatement(sid=sid, actions=list(actions), resources=[resource])
