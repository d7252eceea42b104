"""Watches over requests: log metrics, alarms, and one dashboard."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_kinesis as kinesis
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sns as sns
from constructs import Construct

from dropslot_infra import alarms, dashboard, log_metrics, service_metrics
from dropslot_infra.alarm_topic import AlarmTopic
from dropslot_infra.alarms import AlarmSpec
from dropslot_infra.feedback_watch import FeedbackWatch
from dropslot_infra.log_metrics import LogMetrics


@dataclass(frozen=True, slots=True, kw_only=True)
class KclWatch:
    """What else there is to watch where KCL consumes.

    Args:
        application: name of the KCL application, which is its metrics' namespace.
        paused: whether no task runs, so that nobody reads the stream on purpose.
    """

    application: str
    paused: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LambdaWatch:
    """What else there is to watch where functions consume.

    Args:
        consumer: the function, or its alias.
        mapping_id: of the mapping that feeds it.
        sweep: the sweep's function.
        sweep_log: of the sweep.
    """

    consumer: lambda_.IFunction
    mapping_id: str
    sweep: lambda_.IFunction
    sweep_log: logs.ILogGroup


class Monitoring(Construct):
    """Alarms, each with its reason and remedy, and a dashboard.

    Args:
        scope: the parent.
        construct_id: unique in it.
        name: of the dashboard; log metrics are in the namespace ``Dropslot/<name>``.
        stage: of the API.
        access_log: of the API, JSON lines with `status` and `method`.
        table: of requests.
        stream: with its change records.
        consumer_log: of the consumer, as JSON lines.
        consumer: what consumes.
        feedback: what pushes outcomes, if anything does.
        alarm_email: who is told; None tells nobody, the alarms are there all the same.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        stage: apigateway.Stage,
        access_log: logs.ILogGroup,
        table: dynamodb.ITable,
        stream: kinesis.IStream,
        consumer_log: logs.ILogGroup,
        consumer: KclWatch | LambdaWatch,
        feedback: FeedbackWatch | None = None,
        alarm_email: str | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        by_kcl = isinstance(consumer, KclWatch)
        log = LogMetrics(
            self,
            "Log",
            namespace=f"Dropslot/{name}",
            access_log=access_log,
            consumer_log=consumer_log,
            sweep_log=None if isinstance(consumer, KclWatch) else consumer.sweep_log,
            extra=(log_metrics.RESTARTS,) if by_kcl else (),
        )
        specs = (
            *alarms.accept_alarms(stage, table),
            *alarms.replication_alarms(table),
            *(() if isinstance(consumer, KclWatch) and consumer.paused else alarms.reading_alarms(stream)),
            *alarms.processing_alarms(log),
            *_consumer_alarms(consumer, log),
            *(() if feedback is None else feedback.alarms()),
        )
        self.alarms: Final[Sequence[cloudwatch.Alarm]] = [spec.create(self) for spec in specs]
        self.topic: Final[sns.ITopic | None] = self._tell(alarm_email) if alarm_email is not None else None
        self.dashboard: Final = cloudwatch.Dashboard(
            self,
            "Dashboard",
            dashboard_name=name,
            widgets=[
                [cloudwatch.AlarmStatusWidget(title="Alarms", alarms=list(self.alarms), width=24)],
                list(dashboard.request_widgets(log)),
                list(dashboard.stream_widgets(table, stream, _lag(consumer))),
                list(dashboard.api_widgets(stage)),
                *([] if feedback is None else [list(feedback.widgets())]),
            ],
        )

    def _tell(self, email: str) -> sns.ITopic:
        topic = AlarmTopic(self, "Tell", email=email).topic
        action = actions.SnsAction(topic)
        for alarm in self.alarms:
            alarm.add_alarm_action(action)
            alarm.add_ok_action(action)
        return topic


def _consumer_alarms(consumer: KclWatch | LambdaWatch, log: LogMetrics) -> Sequence[AlarmSpec]:
    if isinstance(consumer, KclWatch):
        return alarms.container_alarms(log)
    return alarms.function_alarms(consumer.consumer, consumer.sweep, mapping_id=consumer.mapping_id)


def _lag(consumer: KclWatch | LambdaWatch) -> Sequence[cloudwatch.IMetric]:
    if isinstance(consumer, KclWatch):
        return [service_metrics.lag_by_shard_ms(consumer.application)]
    # Lambda tells the worst shard's alone.
    return [consumer.consumer.metric("IteratorAge", statistic="Maximum", label="the function's oldest record")]
