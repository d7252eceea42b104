"""What each role may do, action by action; each statement names the calls that need it."""

from collections.abc import Sequence
from typing import Final

from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kinesis as kinesis
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_secretsmanager as secretsmanager

from dropslot.core.names import CONTROL_ID, UNFINISHED_INDEX
from dropslot_infra.kcl_tables import LEASE_INDEX, KclTables

#: BatchGetItem reads states before a run; BatchExecuteStatement of UPDATE statements writes outcomes.
USE_REQUESTS: Final = ("dynamodb:BatchGetItem", "dynamodb:PartiQLUpdate")
#: Each claim and each checkpoint of a handler's steps is one UpdateItem; a Query finds the newest run of a request.
KEEP_JOURNAL: Final = ("dynamodb:Query", "dynamodb:UpdateItem")
#: The sweep reads the index, and redrives by BatchExecuteStatement.
FIND_UNFINISHED: Final = ("dynamodb:Query",)
REDRIVE: Final = ("dynamodb:PartiQLUpdate",)
LOOK_FOR_PAUSE: Final = ("dynamodb:BatchGetItem",)

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

#: Every command of an operator asks first whether the table is there. Scan is for counts and exports of done requests.
LOOK_AT_REQUESTS: Final = ("dynamodb:BatchGetItem", "dynamodb:DescribeTable", "dynamodb:Scan")
#: What a request's steps did, and which runs of it are to be deleted.
LOOK_AT_JOURNAL: Final = ("dynamodb:Query",)
LOOK_AT_LEASES: Final = ("dynamodb:Scan",)
FIND_MAPPINGS: Final = ("lambda:ListEventSourceMappings",)
LOOK_AT_METRICS: Final = ("cloudwatch:GetMetricStatistics",)
READ_FAILURES: Final = ("s3:GetObject",)
#: A request that is gone is restored by an INSERT, which replaces nothing.
REDRIVE_AND_RESTORE: Final = ("dynamodb:PartiQLInsert", "dynamodb:PartiQLUpdate")
FORGET_REQUEST: Final = ("dynamodb:DeleteItem",)
FORGET_JOURNAL: Final = ("dynamodb:BatchWriteItem",)
PAUSE: Final = ("dynamodb:PutItem",)
SWITCH_MAPPING: Final = ("lambda:UpdateEventSourceMapping",)


def use_requests(table: dynamodb.ITable) -> iam.PolicyStatement:
    """Allow a consumer what it does with requests; the sweep is extra."""
    return _allow("UseRequests", USE_REQUESTS, table.table_arn)


def keep_journal(journal: dynamodb.ITable) -> iam.PolicyStatement:
    """Allow a consumer to keep what steps have done."""
    return _allow("KeepJournal", KEEP_JOURNAL, journal.table_arn)


def find_unfinished(table: dynamodb.ITable) -> iam.PolicyStatement:
    """Allow the sweep to look for what is due or overdue."""
    return _allow("FindUnfinished", FIND_UNFINISHED, f"{table.table_arn}/index/{UNFINISHED_INDEX}")


def redrive(table: dynamodb.ITable) -> iam.PolicyStatement:
    """Allow a sweep of its own to put requests back to pending."""
    return _allow("Redrive", REDRIVE, table.table_arn)


def look_for_pause(table: dynamodb.ITable) -> iam.PolicyStatement:
    """Allow a sweep of its own to read one item: that of a pause."""
    return _allow_of_pause("LookForPause", LOOK_FOR_PAUSE, table)


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


def look_at_requests(table: dynamodb.ITable) -> iam.PolicyStatement:
    """Allow operators to read requests, one by one or all."""
    return _allow("LookAtRequests", LOOK_AT_REQUESTS, table.table_arn)


def look_at_journal(journal: dynamodb.ITable) -> iam.PolicyStatement:
    """Allow operators to read the steps of requests."""
    return _allow("LookAtJournal", LOOK_AT_JOURNAL, journal.table_arn)


def look_at_leases(tables: KclTables) -> iam.PolicyStatement:
    """Allow operators to read how far KCL is, and who leads."""
    kept = (tables.leases, tables.coordination, tables.statistics)
    return _allow("LookAtLeases", LOOK_AT_LEASES, *(table.table_arn for table in kept))


def find_mappings() -> iam.PolicyStatement:
    """Allow operators to find the consumer's mapping; the action knows no resource."""
    return _allow("FindMappings", FIND_MAPPINGS, "*")


def look_at_metrics() -> iam.PolicyStatement:
    """Allow operators to read how far the function is behind; the action knows no resource, and no namespace."""
    return _allow("LookAtMetrics", LOOK_AT_METRICS, "*")


def read_failures(bucket: s3.IBucket) -> tuple[iam.PolicyStatement, ...]:
    """Allow operators to read given-up batches."""
    return (
        _allow("ReadFailures", READ_FAILURES, bucket.arn_for_objects("*")),
        _allow("LookForFailures", LOOK_FOR_FAILURES, bucket.bucket_arn),
    )


def redrive_and_restore(table: dynamodb.ITable) -> iam.PolicyStatement:
    """Allow operators to have requests run again, those that are gone too."""
    return _allow("RedriveAndRestore", REDRIVE_AND_RESTORE, table.table_arn)


def forget_request(table: dynamodb.ITable) -> iam.PolicyStatement:
    """Allow operators to delete requests, and to end a pause."""
    return _allow("ForgetRequest", FORGET_REQUEST, table.table_arn)


def forget_journal(journal: dynamodb.ITable) -> iam.PolicyStatement:
    """Allow operators to delete the journals of requests."""
    return _allow("ForgetJournal", FORGET_JOURNAL, journal.table_arn)


def pause(table: dynamodb.ITable) -> iam.PolicyStatement:
    """Allow operators to put one item: that of a pause. A put would replace a request whatever its state."""
    return _allow_of_pause("Pause", PAUSE, table)


def switch_mapping(mapping_arn: str) -> iam.PolicyStatement:
    """Allow operators to disable and enable one mapping."""
    return _allow("SwitchMapping", SWITCH_MAPPING, mapping_arn)


def _allow(sid: str, actions: Sequence[str], *resources: str) -> iam.PolicyStatement:
    return iam.PolicyStatement(sid=sid, actions=list(actions), resources=list(resources))


def _allow_of_pause(sid: str, actions: Sequence[str], table: dynamodb.ITable) -> iam.PolicyStatement:
    keys = {"dynamodb:LeadingKeys": [CONTROL_ID]}
    return iam.PolicyStatement(
        sid=sid,
        actions=list(actions),
        resources=[table.table_arn],
        # `ForAllValues` alone would let a call pass that has no keys.
        conditions={"ForAllValues:StringEquals": keys, "Null": {"dynamodb:LeadingKeys": "false"}},
    )
