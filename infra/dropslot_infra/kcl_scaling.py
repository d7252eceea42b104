"""How many tasks consume: more when records wait, fewer when there has long been little to do."""

from typing import Final

from aws_cdk import Duration
from aws_cdk import aws_applicationautoscaling as autoscaling
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_kinesis as kinesis
from constructs import Construct

#: Above the half minute that a new task or a deployment takes to find its shards, and the pause of a busy handler.
BEHIND_MS: Final = 60_000
FAR_BEHIND_MS: Final = 300_000
#: With one task fewer, the CPU of each of the others at most doubles: it then is still free enough to catch up.
IDLE_CPU_PERCENT: Final = 35
#: How long it must have been quiet: each change of tasks moves leases, which pauses their shards for seconds.
QUIET_MINUTES: Final = 30


class KclScaling(Construct):
    """Scales on the age of the oldest unread record, which tells of too few tasks whatever the cause.

    CPU would not: a handler that waits for others uses none.

    Args:
        scope: the parent.
        construct_id: unique in it.
        service: to scale.
        stream: that it reads.
        tasks_min: at least so many.
        tasks_max: at most so many; above the number of shards, tasks would have nothing to read.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        service: ecs.FargateService,
        stream: kinesis.IStream,
        tasks_min: int,
        tasks_max: int,
    ) -> None:
        super().__init__(scope, construct_id)
        target = service.auto_scale_task_count(min_capacity=tasks_min, max_capacity=tasks_max)
        minute = Duration.minutes(1)
        age = stream.metric_get_records_iterator_age_milliseconds(statistic="Maximum", period=minute)
        out = autoscaling.StepScalingAction(
            self,
            "Out",
            scaling_target=target,
            adjustment_type=autoscaling.AdjustmentType.CHANGE_IN_CAPACITY,
            # A new task needs time to take leases and show its worth.
            cooldown=Duration.minutes(3),
        )
        out.add_adjustment(adjustment=1, lower_bound=0, upper_bound=FAR_BEHIND_MS - BEHIND_MS)
        out.add_adjustment(adjustment=2, lower_bound=FAR_BEHIND_MS - BEHIND_MS)
        behind = cloudwatch.Alarm(
            self,
            "Behind",
            alarm_description="Scales the consumer out: records wait longer than a minute. Nothing to do.",
            metric=age,
            threshold=BEHIND_MS,
            evaluation_periods=3,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            treat_missing_data=cloudwatch.TreatMissingData.IGNORE,
        )
        behind.add_alarm_action(actions.ApplicationScalingAction(out))
        into = autoscaling.StepScalingAction(
            self,
            "In",
            scaling_target=target,
            adjustment_type=autoscaling.AdjustmentType.CHANGE_IN_CAPACITY,
            cooldown=Duration.minutes(QUIET_MINUTES),
        )
        into.add_adjustment(adjustment=-1, lower_bound=0)
        quiet = cloudwatch.Alarm(
            self,
            "Quiet",
            alarm_description="Scales the consumer in: little to do for half an hour. Nothing to do.",
            metric=cloudwatch.MathExpression(
                expression=f"IF(age < {BEHIND_MS // 6} AND cpu < {IDLE_CPU_PERCENT}, 1, 0)",
                using_metrics={"age": age, "cpu": service.metric_cpu_utilization(statistic="Average", period=minute)},
                period=minute,
                label="quiet",
            ),
            threshold=1,
            evaluation_periods=QUIET_MINUTES,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            # Without figures nobody knows that there is little to do.
            treat_missing_data=cloudwatch.TreatMissingData.IGNORE,
        )
        quiet.add_alarm_action(actions.ApplicationScalingAction(into))
