"""Roles and policies, as their services tell them, in the template's words."""

import json
from collections.abc import Mapping
from typing import Any

from tests.deploy.comparison import differences
from tests.deploy.views.aws import Aws


def role(aws: Aws, name: str, _wanted: Mapping[str, Any]) -> Mapping[str, Any]:
    """AWS::IAM::Role."""
    client = aws("iam")
    attached = client.list_attached_role_policies(RoleName=name)["AttachedPolicies"]
    return {
        **client.get_role(RoleName=name)["Role"],
        "ManagedPolicyArns": [policy["PolicyArn"] for policy in attached],
        "Policies": [
            client.get_role_policy(RoleName=name, PolicyName=policy)
            for policy in client.list_role_policies(RoleName=name)["PolicyNames"]
        ],
    }


def policy(aws: Aws, _physical_id: str, wanted: Mapping[str, Any]) -> Mapping[str, Any]:
    """AWS::IAM::Policy: what each of its roles has of it."""
    (role_name,) = wanted["Roles"]
    found = aws("iam").get_role_policy(RoleName=role_name, PolicyName=wanted["PolicyName"])
    return {**found, "Roles": [found["RoleName"]]}


def managed_policy(aws: Aws, arn: str, _wanted: Mapping[str, Any]) -> Mapping[str, Any]:
    """AWS::IAM::ManagedPolicy."""
    client = aws("iam")
    found = client.get_policy(PolicyArn=arn)["Policy"]
    version = client.get_policy_version(PolicyArn=arn, VersionId=found["DefaultVersionId"])["PolicyVersion"]
    attached = client.list_entities_for_policy(PolicyArn=arn)
    return {
        **found,
        "ManagedPolicyName": found["PolicyName"],
        "PolicyDocument": version["Document"],
        "Roles": [one["RoleName"] for one in attached["PolicyRoles"]],
    }


def bucket_policy(aws: Aws, _physical_id: str, wanted: Mapping[str, Any]) -> Mapping[str, Any]:
    """AWS::S3::BucketPolicy."""
    name = wanted["Bucket"]
    return {"Bucket": name, "PolicyDocument": json.loads(aws("s3").get_bucket_policy(Bucket=name)["Policy"])}


def permission(aws: Aws, _physical_id: str, wanted: Mapping[str, Any]) -> Mapping[str, Any]:
    """AWS::Lambda::Permission: the statement of the function's policy that names the same caller and place."""
    # The template names the function by its ARN, of which the name is known.
    function = wanted["FunctionName"].pattern.rpartition(".*")[2].replace("\\", "").removesuffix("(:*)?")
    statements = json.loads(aws("lambda").get_policy(FunctionName=function)["Policy"])["Statement"]
    told = [
        {
            "Action": one["Action"],
            "FunctionName": one["Resource"],
            "Principal": wanted["Principal"],
            "SourceArn": one.get("Condition", {}).get("ArnLike", {}).get("AWS:SourceArn"),
        }
        for one in statements
        if wanted["Principal"] in one["Principal"].values()
    ]
    # One of several differs least.
    return min(told, key=lambda one: len(list(differences(wanted, one))))
