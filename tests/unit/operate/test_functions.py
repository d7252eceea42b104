"""What AWS's answers about a mapping mean; the answers are checked against the SDK's own models."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from dropslot.core import mapping
from dropslot.operate.diagnosis import ShardLag
from dropslot.operate.errors import OutOfReachError
from dropslot.operate.functions import lag_of_functions
from dropslot.operate.mappings import consumer_mappings
from dropslot.operate.target import Target

STREAM_ARN = "arn:aws:kinesis:eu-central-1:123456789012:stream/shop-requests"
FUNCTION_ARN = "arn:aws:lambda:eu-central-1:123456789012:function:shop-Consumer-Stream:live"


@pytest.fixture
def stubbed() -> Iterator[Callable[..., Target]]:
    """Make a target whose clients give prepared answers: service to method to answer, or error code."""
    with ExitStack() as leaving:

        def make(answers: Mapping[str, Mapping[str, Any]]) -> Target:
            clients = {}
            for service, methods in answers.items():
                client: Any = boto3.client(
                    service,  # type: ignore[call-overload]
                    region_name="eu-central-1",
                    aws_access_key_id="x",
                    aws_secret_access_key="x",
                )
                leaving.callback(client.close)
                stub = leaving.enter_context(Stubber(client))
                for method, answer in methods.items():
                    if isinstance(answer, str):
                        stub.add_client_error(method, answer)
                    else:
                        stub.add_response(method, answer)
                clients[service] = client
            return Target(
                running=None,
                account="123456789012",
                region="eu-central-1",
                table="shop-requests",
                table_arn="arn:aws:dynamodb:eu-central-1:123456789012:table/shop-requests",
                journal="shop-journal",
                stream="shop-requests",
                application="shop",
                make_client=lambda service, _: clients[service],
            )

        yield make


def one(**replaced: Any) -> dict[str, Any]:
    """Return the consumer's mapping."""
    patterns = [{"Pattern": json.dumps(pattern)} for pattern in mapping.FILTERS]
    return {
        "UUID": "14e0db71-9cb6-4f1c-8b8f-0a1a5a1d5c11",
        "EventSourceArn": STREAM_ARN,
        "FunctionArn": FUNCTION_ARN,
        "State": "Enabled",
        "LastProcessingResult": "OK",
        "FunctionResponseTypes": [mapping.RESPONSE_TYPE],
        "FilterCriteria": {"Filters": patterns},
        **replaced,
    }


def points(*maxima: float) -> dict[str, Any]:
    """Return datapoints, the last one the newest; AWS gives them in no order."""
    now = datetime.now(UTC)
    given = [
        {"Timestamp": now + timedelta(minutes=minute), "Maximum": value, "Unit": "Milliseconds"}
        for minute, value in enumerate(maxima)
    ]
    return {"Label": "IteratorAge", "Datapoints": given[::-1]}


def test_a_mapping_that_works_is_as_old_as_its_metric_says(stubbed: Callable[..., Target]) -> None:
    """Given an enabled mapping, behind is the newest maximum, and nothing is wrong."""
    target = stubbed(
        {
            "lambda": {"list_event_source_mappings": {"EventSourceMappings": [one()]}},
            "cloudwatch": {"get_metric_statistics": points(9_000.0, 1_500.4)},
        }
    )
    assert lag_of_functions(target, paused=False) == [
        ShardLag(shard_id="all shards", checkpoint="", behind_ms=1_500, owner="shop-Consumer-Stream", state="enabled")
    ]


def test_a_function_far_behind_is_named(stubbed: Callable[..., Target]) -> None:
    """Given a mapping that says OK, and records that are five hours old, the report says that it is late."""
    target = stubbed(
        {
            "lambda": {"list_event_source_mappings": {"EventSourceMappings": [one()]}},
            "cloudwatch": {"get_metric_statistics": points(18_000_000.0)},
        }
    )
    found = lag_of_functions(target, paused=False)
    assert found is not None
    assert found[0].problem.startswith("it is 300 minutes behind: ")


@pytest.mark.parametrize(
    ("replaced", "problem"),
    [
        ({"State": "Disabled"}, "its mapping is disabled: the function gets nothing"),
        ({"State": "Creating"}, "its mapping is creating: the function gets nothing"),
        (
            {"LastProcessingResult": "PROBLEM: Function call failed"},
            "the last batch ended with: PROBLEM: Function call failed",
        ),
        ({"LastProcessingResult": "No records processed"}, ""),
        ({"State": "Disabling"}, "its mapping is disabling: the function gets nothing"),
    ],
)
def test_a_mapping_that_does_not_work_is_named(
    stubbed: Callable[..., Target], replaced: dict[str, Any], problem: str
) -> None:
    """Given a mapping that is off or fails, the report says so."""
    target = stubbed(
        {
            "lambda": {"list_event_source_mappings": {"EventSourceMappings": [one(**replaced)]}},
            "cloudwatch": {"get_metric_statistics": points()},
        }
    )
    found = lag_of_functions(target, paused=False)
    assert found is not None
    assert [(lag.problem, lag.behind_ms) for lag in found] == [(problem, None)]


@pytest.mark.parametrize(
    ("now", "state", "problem"),
    [
        ("Disabled", "paused", ""),
        ("Disabling", "paused", ""),
        ("Deleting", "paused", ""),
        ("Enabled", "enabled", "paused, but its mapping is enabled: dropslot pause once more disables it"),
        ("Enabling", "enabling", "paused, but its mapping is enabling: dropslot pause once more disables it"),
        ("Creating", "creating", "paused, but its mapping is creating: dropslot pause once more disables it"),
    ],
)
def test_a_pause_is_kept_by_its_mapping_or_not(
    stubbed: Callable[..., Target], now: str, state: str, problem: str
) -> None:
    """Given a pause, a function that gets nothing is well, however far behind; one that gets records isn't."""
    mappings = [one(State=now, LastProcessingResult="PROBLEM: Function call failed")]
    target = stubbed(
        {
            "lambda": {"list_event_source_mappings": {"EventSourceMappings": mappings}},
            "cloudwatch": {"get_metric_statistics": points(18_000_000.0)},
        }
    )
    found = lag_of_functions(target, paused=True)
    assert found is not None
    assert [(lag.state, lag.problem, lag.behind_ms) for lag in found] == [(state, problem, 18_000_000)]


def filtered(*patterns: Any, **written: Any) -> dict[str, Any]:
    """Return a mapping with filters, and how their JSON is written."""
    return one(FilterCriteria={"Filters": [{"Pattern": json.dumps(each, **written)} for each in patterns]})


NEW = {"data": {"eventName": ["INSERT"]}}


@pytest.mark.parametrize(
    ("found", "is_ours"),
    [
        (one(), True),
        (filtered(*reversed(mapping.FILTERS), sort_keys=True, indent=1), True),
        (filtered(*mapping.NOTIFY_FILTERS), False),
        (filtered(), False),
        (one(FilterCriteria={}), False),
        (one(FunctionResponseTypes=[]), False),
        (filtered(NEW), False),
        (filtered({"data": {"eventName": ["INSERT", "MODIFY"]}}), False),
        (filtered(*mapping.FILTERS, {"data": {"eventName": ["REMOVE"]}}), False),
    ],
    ids=[
        "the consumer",
        "written otherwise",
        "feedback",
        "no filters",
        "none set",
        "no report of failures",
        "new ones alone",
        "all but deletions",
        "more",
    ],
)
def test_other_mappings_of_the_stream_are_none_of_the_consumer(
    stubbed: Callable[..., Target], found: dict[str, Any], is_ours: bool
) -> None:
    """Given a mapping of the stream, it is the consumer's by its filters and its reports of failures alone."""
    target = stubbed({"lambda": {"list_event_source_mappings": {"EventSourceMappings": [found]}}})
    assert consumer_mappings(target) == ([found] if is_ours else [])


def test_without_a_mapping_of_the_consumer_no_function_is_behind(stubbed: Callable[..., Target]) -> None:
    """Given mappings of others alone, or none, no function is the consumer."""
    for mappings in ([], [filtered(*mapping.NOTIFY_FILTERS)]):
        target = stubbed({"lambda": {"list_event_source_mappings": {"EventSourceMappings": mappings}}})
        assert lag_of_functions(target, paused=False) is None


def test_a_missing_permission_is_told(stubbed: Callable[..., Target]) -> None:
    """Given credentials without it, the sentence names the action."""
    target = stubbed({"lambda": {"list_event_source_mappings": "AccessDeniedException"}})
    with pytest.raises(OutOfReachError, match="may not lambda:ListEventSourceMappings on mappings of stream"):
        lag_of_functions(target, paused=False)
