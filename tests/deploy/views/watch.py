"""Logs, alarms and the dashboard, as CloudWatch tells them, in the template's words."""

from collections.abc import Mapping
from typing import Any

from tests.deploy.views.aws import Aws, only


def log_group(aws: Aws, name: str, _wanted: Mapping[str, Any]) -> Mapping[str, Any]:
    """AWS::Logs::LogGroup."""
    groups = aws("logs").describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    return dict(only([group for group in groups if group["logGroupName"] == name]))


def metric_filter(aws: Aws, name: str, wanted: Mapping[str, Any]) -> Mapping[str, Any]:
    """AWS::Logs::MetricFilter."""
    filters = aws("logs").describe_metric_filters(logGroupName=wanted["LogGroupName"])["metricFilters"]
    return dict(only([one for one in filters if one["filterName"] == name]))


def alarm(aws: Aws, name: str, _wanted: Mapping[str, Any]) -> Mapping[str, Any]:
    """AWS::CloudWatch::Alarm."""
    return dict(only(aws("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"]))


def dashboard(aws: Aws, name: str, _wanted: Mapping[str, Any]) -> Mapping[str, Any]:
    """AWS::CloudWatch::Dashboard."""
    return dict(aws("cloudwatch").get_dashboard(DashboardName=name))
