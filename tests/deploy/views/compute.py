"""What runs handlers, as ECS, Lambda and EventBridge tell it, in the template's words."""

import base64
import hashlib
from collections.abc import Mapping
from typing import Any

from tests.deploy.views.aws import Aws, GoneError, only


def cluster(aws: Aws, name: str, _wanted: Mapping[str, Any]) -> Mapping[str, Any]:
    """AWS::ECS::Cluster."""
    found = [one for one in aws("ecs").describe_clusters(clusters=[name])["clusters"] if one["status"] != "INACTIVE"]
    return dict(only(found))


def task_definition(aws: Aws, arn: str, _wanted: Mapping[str, Any]) -> Mapping[str, Any]:
    """AWS::ECS::TaskDefinition."""
    found = aws("ecs").describe_task_definition(taskDefinition=arn)["taskDefinition"]
    if found["status"] != "ACTIVE":
        raise GoneError
    return dict(found)


def service(aws: Aws, arn: str, wanted: Mapping[str, Any]) -> Mapping[str, Any]:
    """AWS::ECS::Service."""
    described = aws("ecs").describe_services(cluster=wanted["Cluster"], services=[arn])["services"]
    found = only([one for one in described if one["status"] != "INACTIVE"])
    return {**found, "Cluster": found["clusterArn"].rpartition("/")[2]}


def function(aws: Aws, name: str, wanted: Mapping[str, Any]) -> Mapping[str, Any]:
    """AWS::Lambda::Function. Lambda doesn't tell where its code came from, but whether it is what lies there."""
    found = aws("lambda").get_function_configuration(FunctionName=name)
    asset = aws("s3").get_object(Bucket=wanted["Code"]["S3Bucket"], Key=wanted["Code"]["S3Key"])["Body"].read()
    same = found["CodeSha256"] == base64.b64encode(hashlib.sha256(asset).digest()).decode()
    reserved = aws("lambda").get_function_concurrency(FunctionName=name).get("ReservedConcurrentExecutions")
    return {**found, "Code": wanted["Code"] if same else None, "ReservedConcurrentExecutions": reserved}


def version(aws: Aws, arn: str, wanted: Mapping[str, Any]) -> Mapping[str, Any]:
    """AWS::Lambda::Version."""
    found = aws("lambda").get_function_configuration(
        FunctionName=wanted["FunctionName"], Qualifier=arn.rpartition(":")[2]
    )
    return dict(found)


def alias(aws: Aws, _arn: str, wanted: Mapping[str, Any]) -> Mapping[str, Any]:
    """AWS::Lambda::Alias."""
    found = aws("lambda").get_alias(FunctionName=wanted["FunctionName"], Name=wanted["Name"])
    return {**found, "FunctionName": found["AliasArn"].split(":")[-2]}


def invocation(aws: Aws, _physical_id: str, wanted: Mapping[str, Any]) -> Mapping[str, Any]:
    """AWS::Lambda::EventInvokeConfig."""
    found = aws("lambda").get_function_event_invoke_config(
        FunctionName=wanted["FunctionName"], Qualifier=wanted["Qualifier"]
    )
    *_, name, qualifier = found["FunctionArn"].split(":")
    return {**found, "FunctionName": name, "Qualifier": qualifier}


def mapping(aws: Aws, uuid: str, _wanted: Mapping[str, Any]) -> Mapping[str, Any]:
    """AWS::Lambda::EventSourceMapping."""
    found = aws("lambda").get_event_source_mapping(UUID=uuid)
    return {**found, "FunctionName": found["FunctionArn"]}


def rule(aws: Aws, name: str, _wanted: Mapping[str, Any]) -> Mapping[str, Any]:
    """AWS::Events::Rule."""
    client = aws("events")
    return {**client.describe_rule(Name=name), "Targets": client.list_targets_by_rule(Rule=name)["Targets"]}
