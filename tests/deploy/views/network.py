"""The VPC and what is in it, as EC2 tells it, in the template's words."""

from collections.abc import Mapping
from typing import Any

from tests.deploy.views.aws import Aws, GoneError, only


def vpc(aws: Aws, vpc_id: str, _wanted: Mapping[str, Any]) -> Mapping[str, Any]:
    """AWS::EC2::VPC."""
    client = aws("ec2")
    found = only(client.describe_vpcs(VpcIds=[vpc_id])["Vpcs"])
    for name in ("EnableDnsHostnames", "EnableDnsSupport"):
        attribute = name[0].lower() + name[1:]
        found[name] = client.describe_vpc_attribute(VpcId=vpc_id, Attribute=attribute)[name]["Value"]
    return dict(found)


def subnet(aws: Aws, subnet_id: str, _wanted: Mapping[str, Any]) -> Mapping[str, Any]:
    """AWS::EC2::Subnet."""
    return dict(only(aws("ec2").describe_subnets(SubnetIds=[subnet_id])["Subnets"]))


def internet_gateway(aws: Aws, gateway_id: str, _wanted: Mapping[str, Any]) -> Mapping[str, Any]:
    """AWS::EC2::InternetGateway."""
    return dict(only(aws("ec2").describe_internet_gateways(InternetGatewayIds=[gateway_id])["InternetGateways"]))


def gateway_attachment(aws: Aws, _physical_id: str, wanted: Mapping[str, Any]) -> Mapping[str, Any]:
    """AWS::EC2::VPCGatewayAttachment."""
    gateway = internet_gateway(aws, wanted["InternetGatewayId"], {})
    return {**gateway, **only(gateway["Attachments"])}


def route_table(aws: Aws, table_id: str, _wanted: Mapping[str, Any]) -> Mapping[str, Any]:
    """AWS::EC2::RouteTable."""
    return dict(only(aws("ec2").describe_route_tables(RouteTableIds=[table_id])["RouteTables"]))


def route_table_association(aws: Aws, _physical_id: str, wanted: Mapping[str, Any]) -> Mapping[str, Any]:
    """AWS::EC2::SubnetRouteTableAssociation."""
    associations = route_table(aws, wanted["RouteTableId"], {})["Associations"]
    return dict(only([one for one in associations if one.get("SubnetId") == wanted["SubnetId"]]))


def route(aws: Aws, _physical_id: str, wanted: Mapping[str, Any]) -> Mapping[str, Any]:
    """AWS::EC2::Route."""
    table = route_table(aws, wanted["RouteTableId"], {})
    same = [one for one in table["Routes"] if one.get("DestinationCidrBlock") == wanted["DestinationCidrBlock"]]
    return {"RouteTableId": table["RouteTableId"], **only(same)}


def security_group(aws: Aws, group_id: str, _wanted: Mapping[str, Any]) -> Mapping[str, Any]:
    """AWS::EC2::SecurityGroup."""
    found = only(aws("ec2").describe_security_groups(GroupIds=[group_id])["SecurityGroups"])
    return {
        **found,
        "GroupDescription": found["Description"],
        "SecurityGroupEgress": [
            {**permission, **target}
            for permission in found["IpPermissionsEgress"]
            for target in permission.get("IpRanges", [])
        ],
        "SecurityGroupIngress": found["IpPermissions"],
    }


def endpoint(aws: Aws, endpoint_id: str, _wanted: Mapping[str, Any]) -> Mapping[str, Any]:
    """AWS::EC2::VPCEndpoint."""
    found = only(aws("ec2").describe_vpc_endpoints(VpcEndpointIds=[endpoint_id])["VpcEndpoints"])
    if found.get("State") == "deleted":
        raise GoneError
    return dict(found)
