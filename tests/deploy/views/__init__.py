"""What the emulator's services tell of each type of resource, asked by their own APIs and not by CloudFormation's."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from botocore.exceptions import ClientError

from tests.deploy.views import access, api, compute, data, network, watch, websocket
from tests.deploy.views.aws import Aws, GoneError, says_gone

#: Asks for a resource by its physical id and what the template says of it.
View = Callable[[Aws, str, Mapping[str, Any]], Mapping[str, Any]]

VIEWS: Final[Mapping[str, View]] = {
    "AWS::ApiGateway::Account": api.account,
    "AWS::ApiGateway::Deployment": api.deployment,
    "AWS::ApiGateway::RestApi": api.rest_api,
    "AWS::ApiGateway::Stage": api.stage,
    "AWS::ApiGatewayV2::Api": websocket.api,
    "AWS::ApiGatewayV2::Integration": websocket.integration,
    "AWS::ApiGatewayV2::Route": websocket.route,
    "AWS::ApiGatewayV2::Stage": websocket.stage,
    "AWS::CloudWatch::Alarm": watch.alarm,
    "AWS::CloudWatch::Dashboard": watch.dashboard,
    "AWS::DynamoDB::Table": data.table,
    "AWS::EC2::InternetGateway": network.internet_gateway,
    "AWS::EC2::Route": network.route,
    "AWS::EC2::RouteTable": network.route_table,
    "AWS::EC2::SecurityGroup": network.security_group,
    "AWS::EC2::Subnet": network.subnet,
    "AWS::EC2::SubnetRouteTableAssociation": network.route_table_association,
    "AWS::EC2::VPC": network.vpc,
    "AWS::EC2::VPCEndpoint": network.endpoint,
    "AWS::EC2::VPCGatewayAttachment": network.gateway_attachment,
    "AWS::ECS::Cluster": compute.cluster,
    "AWS::ECS::Service": compute.service,
    "AWS::ECS::TaskDefinition": compute.task_definition,
    "AWS::Events::Rule": compute.rule,
    "AWS::IAM::ManagedPolicy": access.managed_policy,
    "AWS::IAM::Policy": access.policy,
    "AWS::IAM::Role": access.role,
    "AWS::Kinesis::Stream": data.stream,
    "AWS::Lambda::Alias": compute.alias,
    "AWS::Lambda::EventInvokeConfig": compute.invocation,
    "AWS::Lambda::EventSourceMapping": compute.mapping,
    "AWS::Lambda::Function": compute.function,
    "AWS::Lambda::Permission": access.permission,
    "AWS::Lambda::Version": compute.version,
    "AWS::Logs::LogGroup": watch.log_group,
    "AWS::Logs::MetricFilter": watch.metric_filter,
    "AWS::S3::Bucket": data.bucket,
    "AWS::S3::BucketPolicy": access.bucket_policy,
}


def look(aws: Aws, kind: str, physical_id: str, wanted: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return what there is, None if there is no such thing.

    Args:
        aws: the emulator's clients.
        kind: the resource's type.
        physical_id: of the resource.
        wanted: its properties, resolved.
    """
    try:
        return VIEWS[kind](aws, physical_id, wanted)
    except (ClientError, GoneError) as error:
        if says_gone(error):
            return None
        raise
