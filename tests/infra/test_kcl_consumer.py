"""The container as it is deployed: what it may do to its machine, how it stops, and how many run."""

import json
from pathlib import Path
from typing import Any

import pytest

from dropslot.settings import Settings
from dropslot_infra.kcl_consumer import DEFAULT_VARIABLES
from dropslot_infra.network import Network
from tests.infra.parts import actions_of, consumer_in, make_stack, statements_of
from tests.infra.synthesis import REGION, Template, only_resource_of, resolved, resources_of, template_of


def synthesised(folder: Path, **arguments: Any) -> Template:
    """Synthesise a consumer from a folder with a Dockerfile."""
    (folder / "Dockerfile").write_text("FROM scratch\n")
    stack = make_stack()
    network = Network(stack, "Network", mode="public")
    consumer_in(stack, network, folder, **arguments)
    return template_of(stack)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Template:
    """The template of a consumer with a variable and a secret, and up to eight tasks for two shards."""
    return synthesised(
        tmp_path_factory.mktemp("image"),
        environment={"DROPSLOT_CONCURRENCY": "8", "GREETING": "hello"},
        secrets={"TOKEN": "shop/token"},
        tasks_max=8,
        shards=2,
    )


def container_of(template: Template) -> dict[str, Any]:
    """Return the one container."""
    (container,) = only_resource_of(template, "AWS::ECS::TaskDefinition")["ContainerDefinitions"]
    assert isinstance(container, dict)
    return container


def test_the_container_can_do_nothing_to_its_machine(template: Template) -> None:
    """Given the container, it is a numbered user without capabilities, and writes only to volumes of its own."""
    container = container_of(template)
    assert container["User"] == "10001:10001"
    assert container["ReadonlyRootFilesystem"] is True
    assert container["LinuxParameters"]["Capabilities"] == {"Drop": ["ALL"]}
    assert "Privileged" not in container
    mounts = {mount["ContainerPath"]: mount["SourceVolume"] for mount in container["MountPoints"]}
    assert set(mounts) == {"/var/lib/dropslot", "/tmp"}
    volumes = only_resource_of(template, "AWS::ECS::TaskDefinition")["Volumes"]
    assert sorted(volumes, key=str) == sorted(({"Name": name} for name in mounts.values()), key=str)


def test_the_container_writes_where_the_image_lets_it(template: Template) -> None:
    """Given the Dockerfile, its user, state folder and volumes are those of the task."""
    dockerfile = (Path(__file__).parents[2] / "Dockerfile").read_text()
    container = container_of(template)
    folder = next(each["Value"] for each in container["Environment"] if each["Name"] == "DROPSLOT_STATE_DIR")
    assert f"USER {container['User']}\n" in dockerfile
    assert f"DROPSLOT_STATE_DIR={folder}" in dockerfile
    volumes = next(line for line in dockerfile.splitlines() if line.startswith("VOLUME "))
    assert all(f'"{mount["ContainerPath"]}"' in volumes for mount in container["MountPoints"])


def test_the_container_has_time_to_finish(template: Template) -> None:
    """Given a stop, work in flight gets most of the 120 s that Fargate allows, and checkpoints the rest."""
    container = container_of(template)
    grace = next(
        int(each["Value"]) for each in container["Environment"] if each["Name"] == "DROPSLOT_SHUTDOWN_GRACE_SECONDS"
    )
    assert container["StopTimeout"] == 120
    assert 60 <= grace <= 105


def test_health_is_what_the_command_says(template: Template) -> None:
    """Given a task, the consumer itself is asked for its health, after time enough to start."""
    health = container_of(template)["HealthCheck"]
    assert health["Command"] == ["CMD", "dropslot", "healthy"]
    assert health["StartPeriod"] >= 60
    assert health["Retries"] >= 2


def test_the_task_is_arm_on_fargate(template: Template) -> None:
    """Given the image, task and image are for the same processor."""
    task = only_resource_of(template, "AWS::ECS::TaskDefinition")
    assert task["RuntimePlatform"] == {"CpuArchitecture": "ARM64", "OperatingSystemFamily": "LINUX"}
    assert task["RequiresCompatibilities"] == ["FARGATE"]


def test_variables_name_what_the_construct_was_given(template: Template) -> None:
    """Given properties and the operator's variables, the consumer's settings follow from both."""
    variables = {each["Name"]: each["Value"] for each in container_of(template)["Environment"]}
    assert variables == {
        **DEFAULT_VARIABLES,
        "AWS_REGION": REGION,
        "DROPSLOT_APPLICATION": "shop",
        "DROPSLOT_CONCURRENCY": "8",
        "DROPSLOT_JOURNAL": "shop-journal",
        "DROPSLOT_STATE_DIR": "/var/lib/dropslot",
        "DROPSLOT_STREAM": "shop-requests",
        "DROPSLOT_TABLE": "shop-requests",
        "GREETING": "hello",
    }


def test_every_variable_is_a_setting_of_the_consumer(template: Template) -> None:
    """Given the consumer's own check of its variables, it accepts those of the task, KCL's properties included."""
    from dropslot.runtimes.kcl.known_properties import known_properties

    settings = Settings.from_env({each["Name"]: each["Value"] for each in container_of(template)["Environment"]})
    assert settings.concurrency == 8
    assert set(settings.kcl_properties) <= known_properties("3.1.3")


def test_properties_of_kcl_are_added_to_the_deployment_s(tmp_path: Path) -> None:
    """Given properties of the operator's, then the deployment's own stay, but for those that these replace."""
    chosen = {"DROPSLOT_KCL_PROPERTIES": "metricsBufferTimeMillis=1000,maxRecords=500"}
    container = container_of(synthesised(tmp_path, environment=chosen))
    variables = {each["Name"]: each["Value"] for each in container["Environment"]}
    assert Settings.from_env(variables).kcl_properties == {
        "metricsLevel": "SUMMARY",
        "metricsBufferTimeMillis": "1000",
        "maxRecords": "500",
    }


@pytest.mark.parametrize(
    "name",
    [
        "AWS_REGION",
        "DROPSLOT_APPLICATION",
        "DROPSLOT_JOURNAL",
        "DROPSLOT_STATE_DIR",
        "DROPSLOT_STREAM",
        "DROPSLOT_TABLE",
        "TOKEN",
    ],
)
def test_a_variable_of_the_constructs_own_is_refused(name: str, tmp_path: Path) -> None:
    """Given a variable that follows from something else, setting it is an error that names it."""
    with pytest.raises(ValueError, match=name):
        synthesised(tmp_path, environment={name: "other"}, secrets={"TOKEN": "shop/token"})


def test_secrets_come_from_secrets_manager(template: Template) -> None:
    """Given a secret's name, the container gets its value at the start, and the template only its ARN."""
    (secret,) = container_of(template)["Secrets"]
    assert secret["Name"] == "TOKEN"
    assert "secretsmanager" in str(secret["ValueFrom"])


def test_nothing_comes_in(template: Template) -> None:
    """Given the tasks' security group, no port is open."""
    groups = resources_of(template, "AWS::EC2::SecurityGroup")
    assert groups
    assert all("SecurityGroupIngress" not in group for group in groups.values())
    assert not resources_of(template, "AWS::EC2::SecurityGroupIngress")


def test_a_bad_version_is_rolled_back(template: Template) -> None:
    """Given a new version that doesn't become healthy, the old one still runs and stays."""
    deployment = only_resource_of(template, "AWS::ECS::Service")["DeploymentConfiguration"]
    assert deployment["DeploymentCircuitBreaker"] == {"Enable": True, "Rollback": True}
    assert (deployment["MinimumHealthyPercent"], deployment["MaximumPercent"]) == (100, 200)


def test_the_log_is_kept_for_a_time(template: Template) -> None:
    """Given the consumer's log, it has an end, and a log out of reach doesn't stop the work."""
    options = container_of(template)["LogConfiguration"]["Options"]
    log = template["Resources"][options["awslogs-group"]["Ref"]]["Properties"]
    assert log["RetentionInDays"] == 30
    assert options["mode"] == "non-blocking"


def test_there_are_never_more_tasks_than_shards(template: Template) -> None:
    """Given eight tasks allowed and two shards, two is the most that run."""
    target = only_resource_of(template, "AWS::ApplicationAutoScaling::ScalableTarget")
    assert (target["MinCapacity"], target["MaxCapacity"]) == (1, 2)


def test_a_deployment_leaves_the_number_of_tasks_alone(template: Template) -> None:
    """Given autoscaling, the service names no number that a deployment would set back to."""
    assert "DesiredCount" not in only_resource_of(template, "AWS::ECS::Service")


def test_scaling_follows_the_age_of_unread_records(template: Template) -> None:
    """Given records that wait, tasks are added within minutes; they are taken away after half an hour with few."""
    policies = resources_of(template, "AWS::ApplicationAutoScaling::ScalingPolicy")
    alarms = {
        alarm["AlarmActions"][0]["Ref"]: alarm for alarm in resources_of(template, "AWS::CloudWatch::Alarm").values()
    }
    steps = {
        logical_id: [step["ScalingAdjustment"] for step in policy["StepScalingPolicyConfiguration"]["StepAdjustments"]]
        for logical_id, policy in policies.items()
    }
    (out,) = (logical_id for logical_id, changes in steps.items() if min(changes) > 0)
    (into,) = (logical_id for logical_id, changes in steps.items() if max(changes) < 0)
    assert alarms[out]["MetricName"] == "GetRecords.IteratorAgeMilliseconds"
    assert alarms[out]["Period"] * alarms[out]["EvaluationPeriods"] <= 300
    assert alarms[into]["EvaluationPeriods"] >= 30
    assert steps[into] == [-1]
    assert policies[into]["StepScalingPolicyConfiguration"]["Cooldown"] >= 1800


@pytest.mark.parametrize(("tasks_min", "tasks_max", "shards"), [(2, 2, None), (1, 4, 1), (0, 0, 1)])
def test_a_fixed_number_of_tasks_needs_no_scaling(
    tasks_min: int, tasks_max: int, shards: int | None, tmp_path: Path
) -> None:
    """Given as many tasks at most as at least, or as there are shards, nothing of autoscaling is made."""
    template = synthesised(tmp_path, tasks_min=tasks_min, tasks_max=tasks_max, shards=shards)
    assert only_resource_of(template, "AWS::ECS::Service")["DesiredCount"] == tasks_min
    assert not [each for each in template["Resources"].values() if "AutoScaling" in each["Type"]]


def test_an_image_in_ecr_is_pulled_by_right(tmp_path: Path) -> None:
    """Given the URI of a pushed image in ECR, the task runs it and may pull from that repository alone."""
    uri = "210987654321.dkr.ecr.eu-west-1.amazonaws.com/team/shop:1.2"
    template = synthesised(tmp_path, image_uri=uri)
    pulled = statements_pulling(template)
    image = json.loads(
        json.dumps(container_of(template)["Image"]).replace('{"Ref": "AWS::URLSuffix"}', '"amazonaws.com"')
    )
    assert resolved(image, template) == uri
    assert [resolved(each["Resource"], template) for each in pulled] == [
        "arn:aws:ecr:eu-west-1:210987654321:repository/team/shop"
    ]


def test_an_image_elsewhere_needs_no_right(tmp_path: Path) -> None:
    """Given the URI of an image in a public registry, the task runs it, with no right at ECR."""
    template = synthesised(tmp_path, image_uri="public.ecr.aws/team/shop:1.2")
    assert container_of(template)["Image"] == "public.ecr.aws/team/shop:1.2"
    assert statements_pulling(template) == []


def statements_pulling(template: Template) -> list[dict[str, Any]]:
    """Return the execution role's statements about images."""
    statements = statements_of(template, "ExecutionRole").values()
    return [each for each in statements if "ecr:BatchGetImage" in actions_of(each)]
