"""What is worth waking somebody for, and what they can do about it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from aws_cdk import Duration
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_kinesis as kinesis
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from dropslot_infra import log_metrics, service_metrics
from dropslot_infra.log_metrics import LogMetrics

_FIVE: Final = Duration.minutes(5)
#: Records wait, but the stream keeps them for a day: early enough to act, late enough for a deployment.
LAG_LIMIT_MS: Final = 15 * 60_000
#: DynamoDB itself calls a few milliseconds normal; this is when something is in its way.
UNREPLICATED_LIMIT_MS: Final = 5 * 60_000
#: The accept path is one call of API Gateway to DynamoDB: this slow, something is wrong with one of them.
LATENCY_LIMIT_MS: Final = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmSpec:
    """An alarm that is raised when a metric reaches a threshold.

    Args:
        name: unique among all.
        metric: what is watched; its period is that of the alarm.
        threshold: raised at this value and above.
        periods: how many periods in a row.
        reason: what has happened.
        remedy: what to do.
        missing_is_bad: whether no figures at all raise it too.
    """

    name: str
    metric: cloudwatch.IMetric
    threshold: float
    periods: int
    reason: str
    remedy: str
    missing_is_bad: bool = False

    def create(self, scope: Construct) -> cloudwatch.Alarm:
        """Make the alarm, without anybody to tell yet."""
        return cloudwatch.Alarm(
            scope,
            self.name,
            alarm_description=f"{self.reason} What to do: {self.remedy}",
            metric=self.metric,
            threshold=self.threshold,
            evaluation_periods=self.periods,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            treat_missing_data=(
                cloudwatch.TreatMissingData.BREACHING
                if self.missing_is_bad
                else cloudwatch.TreatMissingData.NOT_BREACHING
            ),
        )


def accept_alarms(stage: apigateway.Stage, table: dynamodb.ITable) -> Sequence[AlarmSpec]:
    """Return what endangers taking requests in."""
    return (
        AlarmSpec(
            name="ApiErrors",
            metric=stage.metric_server_error(statistic="Sum", period=_FIVE),
            threshold=1,
            periods=1,
            reason="The API answered 5xx: clients were told that their requests were not taken, and must send again.",
            remedy="look for status 5 in the access log: store_status tells whether DynamoDB throttled or failed.",
        ),
        AlarmSpec(
            name="ApiLatency",
            metric=stage.metric_latency(statistic="p99", period=_FIVE),
            threshold=LATENCY_LIMIT_MS,
            periods=3,
            reason="One call in a hundred takes two seconds or more; no code of ours runs there.",
            remedy="compare latency_ms with store_latency_ms in the access log, and look at the table's throttles.",
        ),
        AlarmSpec(
            name="WriteThrottles",
            metric=service_metrics.write_throttles(table),
            threshold=1,
            periods=5,
            reason="DynamoDB throttles writes to the table or its index: requests are refused with 429, outcomes wait.",
            remedy="look for one key that is written far more often than others, and at the account's limits.",
        ),
    )


def replication_alarms(table: dynamodb.ITable) -> Sequence[AlarmSpec]:
    """Return what holds up change records between table and stream."""
    more_shards = "give the stream more shards, or make it on demand; the sweep brings what is missing meanwhile."
    return (
        AlarmSpec(
            name="NotReplicated",
            metric=service_metrics.unreplicated(table, "FailedToReplicateRecordCount", aggregate="SUM"),
            threshold=1,
            periods=1,
            reason="DynamoDB gave up on change records: the stream is gone, or a request is too large for a record.",
            remedy="check the stream and the table's destination; the sweep brings such requests, late. One that is "
            "too large never comes: find it in the index `unfinished` by its growing `attempt`, and fail it by hand.",
        ),
        AlarmSpec(
            name="ReplicationLate",
            metric=service_metrics.unreplicated(table, "AgeOfOldestUnreplicatedRecord", aggregate="MAX"),
            threshold=UNREPLICATED_LIMIT_MS,
            periods=1,
            reason="Change records reach the stream more than five minutes late, so requests start late.",
            remedy=f"if records are throttled too, {more_shards} Otherwise check that the stream still exists.",
        ),
        AlarmSpec(
            name="ReplicationThrottled",
            metric=service_metrics.unreplicated(table, "ThrottledPutRecordCount", aggregate="SUM"),
            threshold=1,
            periods=3,
            reason="The stream takes change records slower than the table makes them.",
            remedy=more_shards,
        ),
    )


def reading_alarms(stream: kinesis.IStream) -> Sequence[AlarmSpec]:
    """Return what goes wrong between stream and consumer."""
    return (
        AlarmSpec(
            name="Lag",
            metric=service_metrics.oldest_unread_ms(stream),
            threshold=LAG_LIMIT_MS,
            periods=5,
            reason="The consumer is a quarter of an hour behind, or nobody reads the stream at all.",
            remedy="see whether the consumer runs, then what its handlers wait for; then add tasks or parallelization.",
            missing_is_bad=True,
        ),
    )


def processing_alarms(log: LogMetrics) -> Sequence[AlarmSpec]:
    """Return what goes wrong with requests that were taken in."""
    return (
        AlarmSpec(
            name="Failed",
            metric=log.metric(log_metrics.FAILED.name, minutes=5),
            threshold=1,
            periods=1,
            reason="Requests failed for good.",
            remedy="read `error` of the failed requests; mend the handler or what it calls, then run them again.",
        ),
        AlarmSpec(
            name="NotUndone",
            metric=log.metric(log_metrics.NOT_UNDONE.name, minutes=5),
            threshold=1,
            periods=1,
            reason="Requests failed, and steps they had finished couldn't be undone.",
            remedy="`dropslot retry --undo --all --dry-run` lists what is left; see docs/operations.md.",
        ),
        AlarmSpec(
            name="Missed",
            metric=log.metric(log_metrics.REDRIVEN_OVERDUE.name, minutes=5),
            threshold=1,
            periods=3,
            reason="The sweep keeps finding requests that nobody ran in time, and brings them again.",
            remedy="if the consumer lags, that is why; otherwise see whether change records fail to be replicated.",
        ),
        AlarmSpec(
            name="Overdue",
            metric=log.metric(log_metrics.OVERDUE.name, statistic="Maximum", minutes=5),
            threshold=1,
            periods=3,
            reason="Requests that the sweep should have brought again are still there: it is down, or too slow.",
            remedy="find the events that begin with sweep_ in the log, and look for throttles of the table.",
        ),
        AlarmSpec(
            name="KilledWorker",
            metric=log.metric(log_metrics.KILLED_WORKER.name, minutes=5),
            threshold=1,
            periods=1,
            reason="A request ended its process again and again, and was failed for it.",
            remedy="find request_killed_its_worker in the log: the handler crashes, or needs more memory than it has.",
        ),
        AlarmSpec(
            name="Unwritable",
            metric=log.metric(log_metrics.UNWRITABLE.name, minutes=5),
            threshold=1,
            periods=1,
            reason="An outcome can't be written, so a request stays unsettled and its handler runs again and again.",
            remedy="find outcome_unwritable in the log and look at that item: it has no room left, or isn't ours.",
        ),
        AlarmSpec(
            name="TableUnreachable",
            metric=log.metric(log_metrics.UNREACHABLE.name, minutes=5),
            threshold=1,
            periods=3,
            reason="The consumer can't reach the table: nothing is settled meanwhile, and nothing is lost.",
            remedy="find table_unreachable in the log: it names the error. Check the role, endpoints and throttles.",
        ),
        AlarmSpec(
            name="SweepTrouble",
            metric=log.metric(log_metrics.SWEEP_TROUBLE.name, minutes=5),
            threshold=1,
            periods=3,
            reason="The sweep fails: retries that are due don't happen, and nothing makes up for a lost record.",
            remedy="find the events that begin with sweep_ in the log.",
        ),
    )


def container_alarms(log: LogMetrics) -> Sequence[AlarmSpec]:
    """Return what goes wrong with the container."""
    return (
        AlarmSpec(
            name="Restarts",
            metric=log.metric(log_metrics.RESTARTS.name, minutes=15),
            threshold=3,
            periods=1,
            reason="The consumer's processes end or hang again and again; each time its shards pause for seconds.",
            remedy="find daemon_ended, shard_process_lost and shard_process_hung in the log: memory, or a handler.",
        ),
    )


def function_alarms(consumer: lambda_.IFunction, sweep: lambda_.IFunction, *, mapping_id: str) -> Sequence[AlarmSpec]:
    """Return what goes wrong with the functions."""
    return (
        AlarmSpec(
            name="FunctionErrors",
            metric=consumer.metric_errors(statistic="Sum", period=_FIVE),
            threshold=1,
            periods=3,
            reason="Invocations of the consumer fail, and their batches are delivered again.",
            remedy="find configuration_wrong or invocation_failed in its log, or a time-out.",
        ),
        AlarmSpec(
            name="FunctionThrottles",
            metric=consumer.metric_throttles(statistic="Sum", period=_FIVE),
            threshold=1,
            periods=3,
            reason="Lambda runs no more of the consumer at once, so the stream waits.",
            remedy="raise the reserved concurrency or the account's limit, or lower the parallelization.",
        ),
        AlarmSpec(
            name="GivenUp",
            metric=service_metrics.mapping_events(mapping_id, "OnFailureDestinationDeliveredEventCount"),
            threshold=1,
            periods=1,
            reason="A batch was given up after all its retries; its requests stay pending until the sweep brings them.",
            remedy="look at what the function said of that batch; the bucket of failures holds it.",
        ),
        AlarmSpec(
            name="Dropped",
            metric=service_metrics.mapping_events(mapping_id, "DroppedEventCount"),
            threshold=1,
            periods=1,
            reason="A given-up batch could not be kept. Its requests stay pending until the sweep brings them.",
            remedy="check that the function's role may write to the bucket of failures.",
        ),
        AlarmSpec(
            name="SweepErrors",
            metric=sweep.metric_errors(statistic="Sum", period=_FIVE),
            threshold=1,
            periods=3,
            reason="The sweep fails or doesn't run: retries that are due don't happen, lost records stay lost.",
            remedy="find configuration_wrong or invocation_failed in its log; check that its rule is enabled.",
            missing_is_bad=True,
        ),
    )
