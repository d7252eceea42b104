"""Metrics that AWS's services publish of themselves, for one table and one stream."""

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_kinesis as kinesis

from dropslot.core.names import UNFINISHED_INDEX


def oldest_unread_ms(stream: kinesis.IStream) -> cloudwatch.Metric:
    """Return how old the oldest record is that a reader of the stream has yet to read; nothing if nobody reads."""
    return stream.metric_get_records_iterator_age_milliseconds(
        statistic="Maximum", period=Duration.minutes(1), label="oldest unread record"
    )


def full_stream(stream: kinesis.IStream) -> cloudwatch.Metric:
    """Return how many records the stream refused, since its shards were at their limit."""
    return stream.metric_write_provisioned_throughput_exceeded(
        statistic="Sum", period=Duration.minutes(1), label="refused by the stream"
    )


def write_throttles(table: dynamodb.ITable) -> cloudwatch.MathExpression:
    """Return how many writes were throttled at the table or at its index."""
    of_table = {"TableName": table.table_name}
    of_index = {**of_table, "GlobalSecondaryIndexName": UNFINISHED_INDEX}
    minute = Duration.minutes(1)
    return cloudwatch.MathExpression(
        expression="FILL(ontable, 0) + FILL(onindex, 0)",
        using_metrics={
            name: cloudwatch.Metric(
                namespace="AWS/DynamoDB",
                metric_name="WriteThrottleEvents",
                dimensions_map=dimensions,
                statistic="Sum",
                period=minute,
            )
            for name, dimensions in (("ontable", of_table), ("onindex", of_index))
        },
        period=minute,
        label="write throttles",
    )


def unreplicated(table: dynamodb.ITable, name: str, *, aggregate: str) -> cloudwatch.MathExpression:
    """Return a metric of the way from the table to the stream, as DynamoDB sees it.

    Asked for by a query: besides the table's name these metrics have a dimension `DelegatedOperation`, whose value
    DynamoDB's documentation doesn't give.
    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/metrics-dimensions.html

    Args:
        table: that is replicated.
        name: of the metric.
        aggregate: ``MAX`` or ``SUM``.
    """
    return cloudwatch.MathExpression(
        expression=(
            f'SELECT {aggregate}({name}) FROM SCHEMA("AWS/DynamoDB", DelegatedOperation, TableName) '  # noqa: S608 - no SQL
            f"WHERE TableName = '{table.table_name}'"
        ),
        period=Duration.minutes(5),
        label=name,
    )


def lag_by_shard_ms(application: str) -> cloudwatch.MathExpression:
    """Return how far behind KCL is in each shard; of KCL's own metrics, which need `metricsLevel=SUMMARY`."""
    search = f'{{"{application}",Operation,ShardId}} Operation="ProcessTask" MetricName="MillisBehindLatest"'
    return cloudwatch.MathExpression(
        expression=f"SEARCH('{search}', 'Maximum', 60)", period=Duration.minutes(1), label=""
    )


def mapping_events(mapping_id: str, name: str) -> cloudwatch.Metric:
    """Return a count of an event source mapping; its `EventCount` metrics must be on."""
    return cloudwatch.Metric(
        namespace="AWS/Lambda",
        metric_name=name,
        dimensions_map={"EventSourceMappingUUID": mapping_id},
        statistic="Sum",
        period=Duration.minutes(1),
        label=name,
    )
