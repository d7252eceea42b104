"""Where tasks run, and what can reach them."""

from pathlib import Path

import pytest
from aws_cdk import aws_ec2 as ec2

from dropslot_infra.network import ExistingNetwork, Mode, Network
from tests.infra.parts import consumer_in, make_stack
from tests.infra.synthesis import REGION, Template, only_resource_of, resolved, resources_of, template_of


def synthesised(mode: Mode) -> Template:
    """Synthesise a network with a client admitted."""
    stack = make_stack()
    network = Network(stack, "Network", mode=mode)
    client = ec2.SecurityGroup(stack, "Client", vpc=network.vpc)
    network.admit(ec2.Connections(security_groups=[client]))
    return template_of(stack)


@pytest.fixture(scope="module")
def private() -> Template:
    """The template of a private network."""
    return synthesised("private")


@pytest.fixture(scope="module")
def public() -> Template:
    """The template of a public network."""
    return synthesised("public")


def services_of(template: Template, kind: str) -> set[str]:
    """Return the services that have an endpoint of a kind."""
    return {
        str(resolved(endpoint["ServiceName"], template)).removeprefix(f"com.amazonaws.{REGION}.")
        for endpoint in resources_of(template, "AWS::EC2::VPCEndpoint").values()
        if endpoint["VpcEndpointType"] == kind
    }


def test_private_mode_has_endpoints_for_all_that_a_task_calls(private: Template) -> None:
    """Given no way to the internet, every service that starts, feeds or watches a task has an endpoint."""
    assert services_of(private, "Gateway") == {"dynamodb", "s3"}
    assert services_of(private, "Interface") == {
        "ecr.api",
        "ecr.dkr",
        "kinesis-streams",
        "logs",
        "monitoring",
        "secretsmanager",
    }


def test_private_mode_has_no_way_out(private: Template) -> None:
    """Given private mode, there is neither a gateway to the internet nor a NAT."""
    assert not resources_of(private, "AWS::EC2::InternetGateway")
    assert not resources_of(private, "AWS::EC2::NatGateway")


def test_only_admitted_clients_reach_the_endpoints(private: Template) -> None:
    """Given the endpoints' security group, HTTPS from the admitted client's group is the one way in."""
    ingress = only_resource_of(private, "AWS::EC2::SecurityGroupIngress")
    assert (ingress["FromPort"], ingress["ToPort"], ingress["IpProtocol"]) == (443, 443, "tcp")
    assert "Client" in ingress["SourceSecurityGroupId"]["Fn::GetAtt"][0]
    assert all(
        "SecurityGroupIngress" not in group for group in resources_of(private, "AWS::EC2::SecurityGroup").values()
    )


def test_public_mode_costs_nothing_by_the_hour(public: Template) -> None:
    """Given public mode, there is no NAT and no interface endpoint; DynamoDB's traffic still stays inside."""
    assert not resources_of(public, "AWS::EC2::NatGateway")
    assert services_of(public, "Interface") == set()
    assert services_of(public, "Gateway") == {"dynamodb", "s3"}


@pytest.mark.parametrize("mode", ["public", "private"])
def test_two_zones_and_a_log_of_refused_traffic(mode: str, request: pytest.FixtureRequest) -> None:
    """Given either mode, there are two subnets in two zones, and refused traffic is logged."""
    template = request.getfixturevalue(mode)
    zones = [str(subnet["AvailabilityZone"]) for subnet in resources_of(template, "AWS::EC2::Subnet").values()]
    assert len(zones) == len(set(zones)) == 2
    assert only_resource_of(template, "AWS::EC2::FlowLog")["TrafficType"] == "REJECT"


def test_an_existing_network_is_only_referred_to(tmp_path: Path) -> None:
    """Given a VPC of somebody else, tasks run in its subnets, and nothing of the network is made or looked up."""
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    stack = make_stack()
    network = ExistingNetwork(
        stack, "Network", vpc_id="vpc-1", subnet_ids=["subnet-1", "subnet-2"], assign_public_ip=False
    )
    consumer_in(stack, network, tmp_path)
    template = template_of(stack)
    where = only_resource_of(template, "AWS::ECS::Service")["NetworkConfiguration"]["AwsvpcConfiguration"]
    assert where["Subnets"] == ["subnet-1", "subnet-2"]
    assert where["AssignPublicIp"] == "DISABLED"
    assert only_resource_of(template, "AWS::EC2::SecurityGroup")["VpcId"] == "vpc-1"
    made = {resource["Type"] for resource in template["Resources"].values()}
    assert {kind for kind in made if kind.startswith("AWS::EC2::")} == {"AWS::EC2::SecurityGroup"}
