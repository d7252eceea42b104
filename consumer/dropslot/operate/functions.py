"""How far the Lambda consumer is behind: what AWS says about the mapping of its function."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from dropslot.operate.diagnosis import ShardLag, diagnose_function
from dropslot.operate.mappings import consumer_mappings, function_name
from dropslot.operate.target import Target
from dropslot.operate.trouble import explain

#: Metrics come a minute or two late.
_WINDOW: Final = timedelta(minutes=10)
_ENABLED: Final = "Enabled"


def lag_of_functions(target: Target) -> list[ShardLag] | None:
    """Say how far each function that reads the stream is behind; None if none reads it.

    AWS tells the age of the oldest record that a function has got, for all shards together.

    Raises:
        OutOfReachError: Lambda or CloudWatch can't be asked.
    """
    return [_lag(target, mapping) for mapping in consumer_mappings(target)] or None


def _lag(target: Target, mapping: dict[str, Any]) -> ShardLag:
    function = function_name(mapping)
    state, result = mapping["State"], mapping.get("LastProcessingResult", "")
    behind_ms = _iterator_age_ms(target, function)
    problem = diagnose_function(behind_ms)
    if state != _ENABLED:
        problem = f"its mapping is {state.lower()}: the function gets nothing"
    elif result not in {"", "OK", "No records processed"}:
        problem = f"the last batch ended with: {result}"
    return ShardLag(
        shard_id="all shards",
        checkpoint="",
        behind_ms=behind_ms,
        owner=function,
        state=state.lower(),
        problem=problem,
    )


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
