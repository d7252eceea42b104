"""One page that tells how requests fare, from accept to outcome."""

from collections.abc import Sequence

from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_kinesis as kinesis

from dropslot_infra import log_metrics, service_metrics
from dropslot_infra.log_metrics import ACCEPTED, LogMetrics

_HALF = 12


def request_widgets(log: LogMetrics) -> Sequence[cloudwatch.IWidget]:
    """Return what becomes of requests."""
    done, failed = log.metric(log_metrics.DONE.name), log.metric(log_metrics.FAILED.name)
    settled = cloudwatch.MathExpression(
        expression="FILL(done, 0) + FILL(failed, 0)",
        using_metrics={"done": done, "failed": failed},
        period=done.period,
        label="Settled",
    )
    return (
        graph("Accepted and settled", [log.metric(ACCEPTED), settled, failed]),
        graph(
            "Unsettled and overdue",
            [
                log.metric(log_metrics.UNSETTLED.name, statistic="Maximum"),
                log.metric(log_metrics.OVERDUE.name, statistic="Maximum"),
            ],
        ),
        graph(
            "Retried, and brought again by the sweep",
            [
                log.metric(metric.name)
                for metric in (log_metrics.WAITING, log_metrics.REDRIVEN_DUE, log_metrics.REDRIVEN_OVERDUE)
            ],
        ),
        graph(
            "Trouble",
            [
                log.metric(metric.name)
                for metric in (
                    log_metrics.KILLED_WORKER,
                    log_metrics.UNWRITABLE,
                    log_metrics.UNREACHABLE,
                    log_metrics.SWEEP_TROUBLE,
                )
            ],
        ),
    )


def stream_widgets(
    table: dynamodb.ITable, stream: kinesis.IStream, lag: Sequence[cloudwatch.IMetric]
) -> Sequence[cloudwatch.IWidget]:
    """Return how change records fare.

    Args:
        table: of requests.
        stream: with its change records.
        lag: further metrics of how far behind the consumer is, in milliseconds.
    """
    return (
        graph("Lag, ms", [service_metrics.oldest_unread_ms(stream), *lag]),
        graph(
            "From table to stream: oldest waiting, ms",
            [service_metrics.unreplicated(table, "AgeOfOldestUnreplicatedRecord", aggregate="MAX")],
        ),
        graph(
            "From table to stream: failed and throttled",
            [
                service_metrics.unreplicated(table, "FailedToReplicateRecordCount", aggregate="SUM"),
                service_metrics.unreplicated(table, "ThrottledPutRecordCount", aggregate="SUM"),
            ],
        ),
        graph("Throttles", [service_metrics.write_throttles(table), service_metrics.full_stream(stream)]),
    )


def api_widgets(stage: apigateway.Stage) -> Sequence[cloudwatch.IWidget]:
    """Return how the API fares."""
    return (
        graph(
            "API: calls and errors",
            [
                stage.metric_count(statistic="Sum", label="calls"),
                stage.metric_client_error(statistic="Sum", label="4xx"),
                stage.metric_server_error(statistic="Sum", label="5xx"),
            ],
        ),
        graph(
            "API: latency, ms",
            [stage.metric_latency(statistic=percentile, label=percentile) for percentile in ("p50", "p99")],
        ),
    )


def graph(title: str, metrics: Sequence[cloudwatch.IMetric]) -> cloudwatch.GraphWidget:
    """Return a graph of half the page's width."""
    return cloudwatch.GraphWidget(
        title=title, left=list(metrics), width=_HALF, left_y_axis=cloudwatch.YAxisProps(min=0, show_units=False)
    )
