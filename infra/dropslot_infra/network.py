"""Where a consumer runs: a VPC of its own, with or without a way to the internet, or one that is there already."""

from collections.abc import Sequence
from typing import Final, Literal

from aws_cdk import Annotations, RemovalPolicy
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_logs as logs
from constructs import Construct

Mode = Literal["public", "private"]

#: What a task calls or is started by, besides DynamoDB and S3 (where image layers lie), which have gateway endpoints.
INTERFACE_ENDPOINTS: Final = {
    "EcrApi": ec2.InterfaceVpcEndpointAwsService.ECR,
    "EcrDocker": ec2.InterfaceVpcEndpointAwsService.ECR_DOCKER,
    "Kinesis": ec2.InterfaceVpcEndpointAwsService.KINESIS_STREAMS,
    "Logs": ec2.InterfaceVpcEndpointAwsService.CLOUDWATCH_LOGS,
    "Metrics": ec2.InterfaceVpcEndpointAwsService.CLOUDWATCH_MONITORING,
    "Secrets": ec2.InterfaceVpcEndpointAwsService.SECRETS_MANAGER,
}
_HTTPS: Final = ec2.Port.tcp(443)


class Network(Construct):
    """A VPC without NAT gateways.

    ``public``: tasks have public addresses and no way in; handlers reach the internet. The cheapest.
    ``private``: no way out but the endpoints in `INTERFACE_ENDPOINTS`, DynamoDB's and S3's; each interface endpoint
    costs by the hour and zone. A handler that calls anything else needs an endpoint for it, on `vpc`.

    Args:
        scope: the parent.
        construct_id: unique in it.
        mode: see above.
        availability_zones: how many, of those that the stack knows; each more keeps the consumer running through the
            loss of one.
    """

    def __init__(self, scope: Construct, construct_id: str, *, mode: Mode, availability_zones: int = 2) -> None:
        super().__init__(scope, construct_id)
        public = mode == "public"
        self.vpc: Final = ec2.Vpc(
            self,
            "Vpc",
            max_azs=availability_zones,
            nat_gateways=0,
            # Nothing is in the default security group; emptying it would take a function with wide rights.
            restrict_default_security_group=False,
            subnet_configuration=[
                ec2.SubnetConfiguration(
                    name="Public" if public else "Isolated",
                    subnet_type=ec2.SubnetType.PUBLIC if public else ec2.SubnetType.PRIVATE_ISOLATED,
                    # Tasks ask for a public address themselves.
                    map_public_ip_on_launch=False if public else None,
                )
            ],
            gateway_endpoints={
                "DynamoDb": ec2.GatewayVpcEndpointOptions(service=ec2.GatewayVpcEndpointAwsService.DYNAMODB),
                "S3": ec2.GatewayVpcEndpointOptions(service=ec2.GatewayVpcEndpointAwsService.S3),
            },
        )
        self._log_refused_traffic()
        self.subnets: Final = ec2.SubnetSelection(
            subnet_type=ec2.SubnetType.PUBLIC if public else ec2.SubnetType.PRIVATE_ISOLATED
        )
        self.assign_public_ip: Final = public
        self._doors: ec2.SecurityGroup | None = None if public else self._endpoints()

    def admit(self, client: ec2.IConnectable) -> None:
        """Let a client reach the interface endpoints."""
        if self._doors is not None:
            self._doors.connections.allow_from(client, _HTTPS, "consumer to endpoints")

    def _log_refused_traffic(self) -> None:
        # Enough to see why something can't connect, and cheap.
        log_group = logs.LogGroup(
            self, "RefusedTraffic", retention=logs.RetentionDays.ONE_MONTH, removal_policy=RemovalPolicy.DESTROY
        )
        self.vpc.add_flow_log(
            "Refused",
            destination=ec2.FlowLogDestination.to_cloud_watch_logs(log_group),
            traffic_type=ec2.FlowLogTrafficType.REJECT,
        )

    def _endpoints(self) -> ec2.SecurityGroup:
        doors = ec2.SecurityGroup(
            self,
            "Endpoints",
            vpc=self.vpc,
            description="Interface endpoints of Dropslot: reached by its consumer alone",
            allow_all_outbound=False,
        )
        for name, service in INTERFACE_ENDPOINTS.items():
            self.vpc.add_interface_endpoint(
                name, service=service, security_groups=[doors], subnets=self.subnets, open=False
            )
        return doors


class ExistingNetwork(Construct):
    """A VPC that somebody else looks after; nothing in it is changed, and nothing is looked up.

    Args:
        scope: the parent.
        construct_id: unique in it.
        vpc_id: of the VPC.
        subnet_ids: where tasks run. They must reach DynamoDB, Kinesis, ECR, S3, CloudWatch and what handlers call.
        assign_public_ip: whether tasks get public addresses: needed in public subnets, wrong in all others.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, vpc_id: str, subnet_ids: Sequence[str], assign_public_ip: bool
    ) -> None:
        super().__init__(scope, construct_id)
        self.vpc: Final = ec2.Vpc.from_vpc_attributes(
            self,
            "Vpc",
            vpc_id=vpc_id,
            # Which zones the subnets are in decides nothing here, but there must be some.
            availability_zones=["unknown"],
        )
        subnets = [ec2.Subnet.from_subnet_id(self, subnet_id, subnet_id) for subnet_id in subnet_ids]
        for subnet in subnets:
            Annotations.of(subnet).acknowledge_warning(
                "@aws-cdk/aws-ec2:noSubnetRouteTableId", "which routes the subnets have decides nothing here"
            )
        self.subnets: Final = ec2.SubnetSelection(subnets=subnets)
        self.assign_public_ip: Final = assign_public_ip

    def admit(self, client: ec2.IConnectable) -> None:
        """Do nothing: whoever owns the VPC decides what reaches its endpoints."""
