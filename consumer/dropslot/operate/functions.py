"""How far the Lambda consumer is behind: what AWS says about the mapping of its function."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from dropslot.operate.diagnosis import PAUSED, ShardLag, diagnose_function, diagnose_unpaused
from dropslot.operate.mappings import consumer_mappings, function_name
from dropslot.operate.target import Target
from dropslot.operate.trouble import explain

#: Metrics come a minute or two late.
_WINDOW: Final = timedelta(minutes=10)
_ENABLED: Final = "Enabled"
#: States in which a mapping hands out nothing, or soon doesn't any more.
_OFF: Final = frozenset({"Disabled", "Disabling", "Deleting"})


def lag_of_functions(target: Target, *, paused: bool) -> list[ShardLag] | None:
    """Say how far each function that reads the stream is behind; None if none reads it.

    AWS tells the age of the oldest record that a function has got, for all shards together.

    Args:
        target: the pipeline, on AWS.
        paused: nothing is meant to run.

    Raises:
        OutOfReachError: Lambda or CloudWatch can't be asked.
    """
    return [_lag(target, mapping, paused=paused) for mapping in consumer_mappings(target)] or None


def _lag(target: Target, mapping: dict[str, Any], *, paused: bool) -> ShardLag:
    function = function_name(mapping)
    state: str = mapping["State"]
    behind_ms = _iterator_age_ms(target, function)
    if paused:
        # A deployment that changes a mapping enables it again.
        is_off = state in _OFF
        state, problem = (PAUSED, "") if is_off else (state, diagnose_unpaused(state.lower()))
    else:
        problem = _problem(state, mapping.get("LastProcessingResult", ""), behind_ms)
    return ShardLag(
        shard_id="all shards",
        checkpoint="",
        behind_ms=behind_ms,
        owner=function,
        state=state.lower(),
        problem=problem,
    )


def _problem(state: str, result: str, behind_ms: int | None) -> str:
    if state != _ENABLED:
        return f"its mapping is {state.lower()}: the function gets nothing"
    if result not in {"", "OK", "No records processed"}:
        return f"the last batch ended with: {result}"
    return diagnose_function(behind_ms)


def _iterator_age_ms(target: Target, function: str) -> int | None:
    """Return the newest maximum of the metric; None if the function wasn't called lately: then nothing waits for it."""
    now = datetime.now(UTC)
    try:
        answer = target.client("cloudwatch").get_metric_statistics(
            Namespace="AWS/Lambda",
            MetricName="IteratorAge",
            Dimensions=[{"Name": "FunctionName", "Value": function}],
            StartTime=now - _WINDOW,
            EndTime=now,
            Period=60,
            Statistics=["Maximum"],
        )
    except (ClientError, BotoCoreError) as error:
        raise explain(error, service="CloudWatch", where=f"metrics of function {function}") from error
    points = sorted(answer["Datapoints"], key=lambda point: point["Timestamp"])
    return round(points[-1]["Maximum"]) if points else None
