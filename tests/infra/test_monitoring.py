"""Alarms and the dashboard: whether what they watch exists, and whether somebody can act on it."""

import inspect
import io
import json
import logging
import re
from pathlib import Path
from typing import Any, Final

import pytest
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs

from dropslot import Reject, Request, RetryLater
from dropslot.adapters.logs import JsonFormatter
from dropslot.engine.backlog import Backlog
from dropslot.engine.runners import InlineRunner
from dropslot.engine.sweep import Sweep, SweepOptions
from dropslot_infra.feedback_watch import FeedbackWatch
from dropslot_infra.kcl_consumer import DEFAULT_VARIABLES
from dropslot_infra.lambda_consumer import LambdaConsumer
from dropslot_infra.log_metrics import COMMON, COUNTED, RESTARTS, LogMetric
from dropslot_infra.monitoring import KclWatch, LambdaWatch, Monitoring
from dropslot_infra.sweep import ScheduledSweep
from tests.infra.parts import journal_in, make_stack, stream_in, table_in
from tests.infra.synthesis import PROJECT, Template, resolved, resources_of, template_of
from tests.unit.engine.doubles import Bench, asynchronous
from tests.unit.engine.steps.stepped import Shop, StepBench, raiser

SOURCES: Final = PROJECT / "consumer" / "dropslot"
CLAUSE: Final = re.compile(r'\$\.(\w+) (=|>=) ("?)([\w-]+)\3')


@pytest.fixture(scope="module")
def by_kcl() -> Template:
    """The template of watching a container, with somebody to tell."""
    return synthesised(alarm_email="on-call@example.com")


@pytest.fixture(scope="module")
def by_lambda(tmp_path_factory: pytest.TempPathFactory) -> Template:
    """The template of watching functions, those of feedback among them, with nobody to tell."""
    return synthesised(tmp_path_factory.mktemp("asset"))


def synthesised(asset: Path | None = None, *, alarm_email: str | None = None) -> Template:
    """Synthesise the watch over a container, or over functions if there is an asset for them."""
    stack = make_stack()
    table, stream = table_in(stack), stream_in(stack)
    api = apigateway.RestApi(stack, "Api", cloud_watch_role=False)
    api.root.add_method("GET")
    watch: KclWatch | LambdaWatch = KclWatch(application="shop")
    feedback: FeedbackWatch | None = None
    log_group: logs.ILogGroup = logs.LogGroup(stack, "ConsumerLog")
    if asset is not None:
        code = lambda_.Code.from_asset(str(asset))
        consumer = LambdaConsumer(stack, "Consumer", table=table, journal=journal_in(stack), stream=stream, code=code)
        sweep = ScheduledSweep(stack, "Sweep", table=table, code=code)
        log_group = consumer.log_group
        feedback = FeedbackWatch(socket=consumer.function, notify=sweep.function)
        watch = LambdaWatch(
            consumer=consumer.alias, mapping_id=consumer.mapping.ref, sweep=sweep.function, sweep_log=sweep.log_group
        )
    Monitoring(
        stack,
        "Monitoring",
        name="shop",
        stage=api.deployment_stage,
        access_log=logs.LogGroup(stack, "AccessLog"),
        table=table,
        stream=stream,
        consumer_log=log_group,
        consumer=watch,
        feedback=feedback,
        alarm_email=alarm_email,
    )
    return template_of(stack)


def dashboard_of(template: Template) -> list[dict[str, Any]]:
    """Return the dashboard's widgets."""
    (dashboard,) = resources_of(template, "AWS::CloudWatch::Dashboard").values()
    widgets: list[dict[str, Any]] = json.loads(resolved(dashboard["DashboardBody"], template))["widgets"]
    return widgets


def filters_of(template: Template) -> dict[str, dict[str, Any]]:
    """Return the metric filters by their metric's name."""
    return {
        each["MetricTransformations"][0]["MetricName"]: each
        for each in resources_of(template, "AWS::Logs::MetricFilter").values()
    }


def picks(pattern: str, line: dict[str, Any]) -> bool:
    """Say whether a filter picks a log line, as CloudWatch does as far as these filters go."""
    joined = " && " in pattern and " || " not in pattern
    found = [
        line.get(name) == text if operator == "=" else line.get(name, -1) >= int(text)
        for name, operator, _, text in CLAUSE.findall(pattern)
    ]
    return all(found) if joined else any(found)


@pytest.mark.parametrize("metric", [*COMMON, RESTARTS], ids=lambda metric: metric.name)
def test_the_code_logs_what_a_metric_is_read_from(metric: LogMetric) -> None:
    """Given a log metric, each of its events is the event of a log call in the package."""
    written = {
        event
        for module in SOURCES.rglob("*.py")
        for event in re.findall(
            r'log\.(?:info|warning|error|exception|log)\((?:\s*logging\.\w+,)?\s*"(\w+)"', module.read_text()
        )
    }
    assert set(metric.events) <= written


@pytest.mark.parametrize("metric", [*COMMON, RESTARTS], ids=lambda metric: metric.name)
def test_a_metric_picks_its_lines_and_no_others(metric: LogMetric) -> None:
    """Given lines as the package formats them, a metric's filter picks its own alone."""
    told = {metric.field: 3} if metric.field else {}
    for event in metric.events:
        assert picks(metric.pattern, line_of(event, told))
    assert not picks(metric.pattern, line_of("request_waiting", {"done": 3}))
    if metric.field:
        assert not picks(metric.pattern, line_of(metric.events[0], {"records": 3}))


def test_the_backlogs_fields_are_those_that_are_measured() -> None:
    """Given what a backlog line holds, the metrics read fields that are there."""
    fields = {metric.field for metric in COMMON if metric.events == ("backlog",)}
    assert fields <= inspect.signature(Backlog).parameters.keys()


@asynchronous
async def test_what_is_counted_has_the_names_that_metrics_read() -> None:
    """Given shards and a sweep that bring every ending, the lines that their counters write feed all metrics."""

    def handle(request: Request) -> None:
        if request.id == "caller#rejected":
            raise Reject("no")
        if request.id == "caller#later":
            raise RetryLater("busy")

    bench = Bench(InlineRunner(handle))
    await bench.run(*(bench.accept(f"caller#{name}") for name in ("fine", "rejected", "later")))
    bench.accept("caller#missed")
    sweep = Sweep(
        requests=bench.requests,
        clock=bench.clock,
        counters=bench.counters,
        options=SweepOptions(interval_seconds=5, grace_ms=60_000),
    )
    await bench.clock.advance(3600)
    assert await sweep.once() == 2
    shop = Shop()
    shop.fails("undo a", *[Reject("too late")] * 3)
    stuck = StepBench(shop.order("a", then=raiser(Reject("no"))))
    assert await stuck.accepted() == "failed"
    totals = {**stuck.counters.totals(), **bench.counters.totals()}
    line = line_of(COUNTED, {name: count for name, count in totals.items() if count})
    starved = [metric.name for metric in COMMON if metric.events == (COUNTED,) and not picks(metric.pattern, line)]
    assert starved == []


def line_of(event: str, told: dict[str, Any]) -> dict[str, Any]:
    """Log an event as the package does, and read the line."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    handler.handle(logging.makeLogRecord({"msg": event, "name": "test", **told}))
    line: dict[str, Any] = json.loads(stream.getvalue())
    return line


def test_accepted_requests_are_read_from_the_access_log(by_kcl: Template) -> None:
    """Given the API's log, a call that was answered 202 counts if it brought a request."""
    accepted = filters_of(by_kcl)["Accepted"]
    assert "AccessLog" in accepted["LogGroupName"]["Ref"]
    assert accepted["FilterPattern"] == '{ ($.status = "202") && (($.method = "PUT") || ($.method = "POST")) }'


def test_the_sweeps_metrics_come_from_where_it_logs(by_kcl: Template, by_lambda: Template) -> None:
    """Given a sweep inside the consumer, or one of its own, its metrics are read from its log."""
    assert "ConsumerLog" in filters_of(by_kcl)["Overdue"]["LogGroupName"]["Ref"]
    assert "SweepLog" in filters_of(by_lambda)["Overdue"]["LogGroupName"]["Ref"]
    assert "StreamLog" in filters_of(by_lambda)["Done"]["LogGroupName"]["Ref"]


@pytest.mark.parametrize("variant", ["by_kcl", "by_lambda"])
def test_each_alarm_says_why_and_what_to_do(variant: str, request: pytest.FixtureRequest) -> None:
    """Given an alarm in the night, its description holds the reason and the remedy."""
    alarms = resources_of(request.getfixturevalue(variant), "AWS::CloudWatch::Alarm")
    assert alarms
    for alarm in alarms.values():
        reason, said, remedy = alarm["AlarmDescription"].partition(" What to do: ")
        assert said
        assert len(reason) > 20
        assert len(remedy) > 20


@pytest.mark.parametrize("variant", ["by_kcl", "by_lambda"])
def test_alarms_watch_the_whole_way(variant: str, request: pytest.FixtureRequest) -> None:
    """Given a request's way, each part of it that can fail has an alarm."""
    watched = json.dumps(resources_of(request.getfixturevalue(variant), "AWS::CloudWatch::Alarm"))
    for metric in (
        "5XXError",
        "Latency",
        "WriteThrottleEvents",
        "FailedToReplicateRecordCount",
        "AgeOfOldestUnreplicatedRecord",
        "ThrottledPutRecordCount",
        "GetRecords.IteratorAgeMilliseconds",
        "Failed",
        "NotUndone",
        "Overdue",
        "KilledWorker",
    ):
        assert metric in watched


def test_log_metrics_that_are_watched_are_made(by_kcl: Template) -> None:
    """Given an alarm or a graph on a metric of our namespace, there is a filter that makes it."""
    used = set(re.findall(r'Dropslot/shop",\s*"(\w+)"', json.dumps(dashboard_of(by_kcl))))
    used |= set(re.findall(r'"MetricName": "(\w+)", "Namespace": "Dropslot/shop"', json.dumps(by_kcl)))
    assert used
    assert used <= set(filters_of(by_kcl))


def test_pushes_are_watched_where_there_are_any(by_kcl: Template, by_lambda: Template) -> None:
    """Given feedback, its functions' errors and lateness raise alarms, and are shown; without it there is nothing."""
    for template, names in ((by_kcl, []), (by_lambda, ["NotifyErrors", "NotifyLate", "SocketErrors"])):
        alarms = [name.removeprefix("Monitoring")[:-8] for name in resources_of(template, "AWS::CloudWatch::Alarm")]
        assert sorted(name for name in alarms if name.startswith(("Notify", "Socket"))) == names
        assert ("Feedback" in json.dumps(dashboard_of(template))) is bool(names)


def test_nobody_reading_is_as_bad_as_reading_late(by_kcl: Template) -> None:
    """Given a consumer that is gone, the age of unread records has no figures, which raises the alarm too."""
    (lag,) = (
        alarm
        for alarm in resources_of(by_kcl, "AWS::CloudWatch::Alarm").values()
        if "GetRecords.IteratorAgeMilliseconds" in json.dumps(alarm)
    )
    assert lag["TreatMissingData"] == "breaching"


def test_a_sweep_that_never_runs_is_noticed(by_lambda: Template) -> None:
    """Given a disabled schedule, the sweep's errors have no figures, which raises the alarm."""
    missing = [
        alarm["MetricName"]
        for alarm in resources_of(by_lambda, "AWS::CloudWatch::Alarm").values()
        if alarm["TreatMissingData"] == "breaching" and "MetricName" in alarm
    ]
    assert missing == ["Errors"]


def test_replication_is_asked_for_by_table_name(by_kcl: Template) -> None:
    """Given metrics with a dimension of unknown value, a query finds them by the table's name."""
    queries = re.findall(r"SELECT (\w+)\((\w+)\) FROM SCHEMA\([^)]*\) WHERE TableName = '([\w-]+)'", json.dumps(by_kcl))
    assert {(aggregate, name) for aggregate, name, _ in queries} == {
        ("SUM", "FailedToReplicateRecordCount"),
        ("MAX", "AgeOfOldestUnreplicatedRecord"),
        ("SUM", "ThrottledPutRecordCount"),
    }
    assert {table for *_, table in queries} == {"shop-requests"}


@pytest.mark.parametrize("variant", ["by_kcl", "by_lambda"])
def test_one_dashboard_tells_it_all(variant: str, request: pytest.FixtureRequest) -> None:
    """Given the one dashboard, it shows alarms, requests, lag, replication, throttles and the API."""
    widgets = dashboard_of(request.getfixturevalue(variant))
    shown = json.dumps(widgets)
    for part in ("Accepted", "Settled", "Failed", "Unsettled", "Overdue", "4XXError", "5XXError", "Latency"):
        assert part in shown
    for part in ("IteratorAge", "WriteThrottleEvents", "FailedToReplicateRecordCount", "AgeOfOldestUnreplicatedRecord"):
        assert part in shown
    assert widgets[0]["type"] == "alarm"
    assert [widget for widget in widgets if widget["x"] + widget["width"] > 24] == []


def test_lag_by_shard_is_of_the_metrics_that_kcl_sends(by_kcl: Template) -> None:
    """Given the level that the consumer sets for KCL's metrics, the graph of lag by shard has something to show."""
    (lag,) = (widget for widget in dashboard_of(by_kcl) if widget["properties"].get("title") == "Lag, ms")
    (search,) = (each[0]["expression"] for each in lag["properties"]["metrics"] if isinstance(each[0], dict))
    assert '{"shop",Operation,ShardId}' in search
    assert "MillisBehindLatest" in search
    assert "metricsLevel=SUMMARY" in DEFAULT_VARIABLES["DROPSLOT_KCL_PROPERTIES"]


def test_alarms_are_mailed_by_an_encrypted_topic(by_kcl: Template) -> None:
    """Given an address, every alarm and its end is mailed, by a topic with a key that CloudWatch may use."""
    (topic_id,) = resources_of(by_kcl, "AWS::SNS::Topic")
    key_id = resources_of(by_kcl, "AWS::SNS::Topic")[topic_id]["KmsMasterKeyId"]["Fn::GetAtt"][0]
    statements = resources_of(by_kcl, "AWS::KMS::Key")[key_id]["KeyPolicy"]["Statement"]
    assert {"Service": "cloudwatch.amazonaws.com"} in [each["Principal"] for each in statements]
    for alarm in resources_of(by_kcl, "AWS::CloudWatch::Alarm").values():
        assert alarm["AlarmActions"] == alarm["OKActions"] == [{"Ref": topic_id}]
    (subscription,) = resources_of(by_kcl, "AWS::SNS::Subscription").values()
    assert (subscription["Protocol"], subscription["Endpoint"]) == ("email", "on-call@example.com")


def test_only_this_accounts_alarms_may_publish(by_kcl: Template) -> None:
    """Given the topic's policy, publishing needs TLS and an alarm of this account."""
    (policy,) = resources_of(by_kcl, "AWS::SNS::TopicPolicy").values()
    conditions = [each["Condition"] for each in policy["PolicyDocument"]["Statement"]]
    assert {"Bool": {"aws:SecureTransport": "false"}} in conditions
    assert any("aws:SourceAccount" in each.get("StringEquals", {}) for each in conditions)


def test_without_an_address_nobody_is_told(by_lambda: Template) -> None:
    """Given no address, the alarms are there, and neither topic nor key costs anything."""
    assert not resources_of(by_lambda, "AWS::SNS::Topic")
    assert not resources_of(by_lambda, "AWS::KMS::Key")
    assert resources_of(by_lambda, "AWS::CloudWatch::Alarm")
