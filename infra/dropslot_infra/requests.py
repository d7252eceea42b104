"""Where requests are kept: their table, the stream of its changes, and the journal of their steps."""

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_kinesis as kinesis
from constructs import Construct

from dropslot.core import names


class Requests(Construct):
    """The tables and the stream.

    All are encrypted: the tables with DynamoDB's own key, which needs no mention, the stream with the account's
    `aws/kinesis`; whoever may read them needs no permission for a key besides. All have physical names: a table that
    outlived its stack is then found again (and refused) instead of silently replaced by an empty one.

    Args:
        scope: the parent.
        construct_id: unique in it.
        name: what the names of tables and stream begin with.
        shards: of the stream; None lets it follow the traffic.
        stream_retention: how far back the stream can be replayed, 24 h to 365 days.
        removal_policy: DESTROY lets the data go with the stack; else it stays, tables against deletion by hand, too.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        shards: int | None,
        stream_retention: Duration,
        removal_policy: RemovalPolicy,
    ) -> None:
        super().__init__(scope, construct_id)
        keep = removal_policy != RemovalPolicy.DESTROY
        # A protected table can't be deleted, and a create that fails must not fail at that again: it stays, and tells.
        table_policy = RemovalPolicy.RETAIN if keep else RemovalPolicy.DESTROY
        self.stream = kinesis.Stream(
            self,
            "Stream",
            stream_name=f"{name}-requests",
            stream_mode=kinesis.StreamMode.ON_DEMAND if shards is None else kinesis.StreamMode.PROVISIONED,
            shard_count=shards,
            retention_period=stream_retention,
            encryption=kinesis.StreamEncryption.MANAGED,
            removal_policy=removal_policy,
        )
        self.table = dynamodb.Table(
            self,
            "Table",
            table_name=f"{name}-requests",
            partition_key=dynamodb.Attribute(name=names.ID, type=dynamodb.AttributeType.STRING),
            time_to_live_attribute=names.TTL,
            kinesis_stream=self.stream,
            # Milliseconds would do for the order of records; replay from a time profits.
            kinesis_precision_timestamp=dynamodb.ApproximateCreationDateTimePrecision.MICROSECOND,
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            point_in_time_recovery_specification=_RECOVERY,
            deletion_protection=keep,
            removal_policy=table_policy,
        )
        self.table.add_global_secondary_index(
            index_name=names.UNFINISHED_INDEX,
            partition_key=dynamodb.Attribute(name=names.QUEUE, type=dynamodb.AttributeType.STRING),
            sort_key=dynamodb.Attribute(name=names.DUE_AT, type=dynamodb.AttributeType.NUMBER),
            projection_type=dynamodb.ProjectionType.INCLUDE,
            non_key_attributes=list(names.UNFINISHED_PROJECTION),
        )
        # Its items outlive the requests they belong to, so they can't be attributes of those. A request's runs are
        # one partition: the newest is one query away.
        self.journal = dynamodb.Table(
            self,
            "Journal",
            table_name=f"{name}-journal",
            partition_key=dynamodb.Attribute(name=names.ID, type=dynamodb.AttributeType.STRING),
            sort_key=dynamodb.Attribute(name=names.RUN, type=dynamodb.AttributeType.STRING),
            time_to_live_attribute=names.TTL,
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            point_in_time_recovery_specification=_RECOVERY,
            deletion_protection=keep,
            removal_policy=table_policy,
        )


_RECOVERY = dynamodb.PointInTimeRecoverySpecification(point_in_time_recovery_enabled=True)
