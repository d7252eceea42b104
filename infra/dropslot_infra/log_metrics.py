"""Metrics read from log lines: what Dropslot's own processes count, and which calls the API accepted."""

from dataclasses import dataclass
from typing import Final

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_logs as logs
from constructs import Construct

COUNTED: Final = "counted"
BACKLOG: Final = "backlog"


@dataclass(frozen=True, slots=True, kw_only=True)
class LogMetric:
    """A metric and the lines it is read from.

    Args:
        name: of the metric.
        events: values of the lines' ``event``; with a field, one.
        field: number in the line that is the value; "" counts the lines.
        by_sweep: whether the sweep writes these lines.
    """

    name: str
    events: tuple[str, ...]
    field: str = ""
    by_sweep: bool = False

    @property
    def pattern(self) -> str:
        """The filter, in CloudWatch's language."""
        clauses = [f'($.event = "{event}")' for event in self.events]
        if not self.field:
            return f"{{ {' || '.join(clauses)} }}"
        # A comparison fails where the field is missing, so a line without it gives no value.
        return f"{{ {clauses[0]} && ($.{self.field} >= 0) }}"


DONE: Final = LogMetric(name="Done", events=(COUNTED,), field="done")
FAILED: Final = LogMetric(name="Failed", events=(COUNTED,), field="failed")
NOT_UNDONE: Final = LogMetric(name="NotUndone", events=(COUNTED,), field="not_undone")
WAITING: Final = LogMetric(name="Waiting", events=(COUNTED,), field="waiting")
REDRIVEN_DUE: Final = LogMetric(name="RedrivenDue", events=(COUNTED,), field="redriven_waiting", by_sweep=True)
REDRIVEN_OVERDUE: Final = LogMetric(name="RedrivenOverdue", events=(COUNTED,), field="redriven_pending", by_sweep=True)
UNSETTLED: Final = LogMetric(name="Unsettled", events=(BACKLOG,), field="unsettled", by_sweep=True)
OVERDUE: Final = LogMetric(name="Overdue", events=(BACKLOG,), field="overdue", by_sweep=True)
KILLED_WORKER: Final = LogMetric(name="KilledWorker", events=("request_killed_its_worker",))
UNWRITABLE: Final = LogMetric(name="Unwritable", events=("outcome_unwritable",))
UNREACHABLE: Final = LogMetric(name="TableUnreachable", events=("table_unreachable",))
SWEEP_TROUBLE: Final = LogMetric(
    name="SweepTrouble", events=("sweep_failed", "sweep_unreachable", "sweep_unwritable"), by_sweep=True
)
#: Only the container has processes to lose.
RESTARTS: Final = LogMetric(name="Restarts", events=("daemon_ended", "shard_process_hung", "shard_process_lost"))

COMMON: Final = (
    DONE,
    FAILED,
    NOT_UNDONE,
    WAITING,
    REDRIVEN_DUE,
    REDRIVEN_OVERDUE,
    UNSETTLED,
    OVERDUE,
    KILLED_WORKER,
    UNWRITABLE,
    UNREACHABLE,
    SWEEP_TROUBLE,
)
ACCEPTED: Final = "Accepted"
ACCEPTED_PATTERN: Final = '{ ($.status = "202") && (($.method = "PUT") || ($.method = "POST")) }'


class LogMetrics(Construct):
    """Metric filters on the logs.

    Args:
        scope: the parent.
        construct_id: unique in it.
        namespace: of the metrics.
        access_log: of the API.
        consumer_log: of the consumer.
        sweep_log: of the sweep, where it isn't part of the consumer.
        extra: what else to read from the consumer's log.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        namespace: str,
        access_log: logs.ILogGroup,
        consumer_log: logs.ILogGroup,
        sweep_log: logs.ILogGroup | None,
        extra: tuple[LogMetric, ...] = (),
    ) -> None:
        super().__init__(scope, construct_id)
        self._namespace: Final = namespace
        self._filter(access_log, ACCEPTED, ACCEPTED_PATTERN, "1")
        for metric in (*COMMON, *extra):
            log_group = sweep_log if metric.by_sweep and sweep_log is not None else consumer_log
            self._filter(log_group, metric.name, metric.pattern, f"$.{metric.field}" if metric.field else "1")

    def metric(self, name: str, *, statistic: str = "Sum", minutes: int = 1) -> cloudwatch.Metric:
        """Return a metric by its name."""
        return cloudwatch.Metric(
            namespace=self._namespace,
            metric_name=name,
            statistic=statistic,
            period=Duration.minutes(minutes),
            label=name,
        )

    def _filter(self, log_group: logs.ILogGroup, name: str, pattern: str, value: str) -> None:
        logs.MetricFilter(
            self,
            name,
            log_group=log_group,
            filter_pattern=logs.FilterPattern.literal(pattern),
            metric_namespace=self._namespace,
            metric_name=name,
            metric_value=value,
        )
