"""The consumer as a container with KCL, on Fargate."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from aws_cdk import Duration, RemovalPolicy, Size, Stack
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kinesis as kinesis
from aws_cdk import aws_logs as logs
from constructs import Construct

from dropslot_infra import permissions
from dropslot_infra.container_image import find_image
from dropslot_infra.kcl_scaling import KclScaling
from dropslot_infra.kcl_tables import KclTables
from dropslot_infra.review import acknowledge
from dropslot_infra.secret import find_secret
from dropslot_infra.variables import merge_variables

#: The image's own (see the Dockerfile): where it may write, and as whom it runs.
STATE_FOLDER: Final = "/var/lib/dropslot"
TEMPORARY_FOLDER: Final = "/tmp"  # noqa: S108 - the container's, on a volume of the task's own
USER: Final = "10001:10001"

#: The most that Fargate waits between SIGTERM and SIGKILL
#: (https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_definition_parameters.html).
STOP_TIMEOUT_SECONDS: Final = 120
_PROPERTIES: Final = "DROPSLOT_KCL_PROPERTIES"
DEFAULT_VARIABLES: Final[Mapping[str, str]] = {
    # Work in flight may use most of the stop timeout; the rest is for the last checkpoints.
    "DROPSLOT_SHUTDOWN_GRACE_SECONDS": "90",
    # SUMMARY is the level that tells how far behind each shard is; once a minute is as fine as CloudWatch keeps it.
    _PROPERTIES: "metricsLevel=SUMMARY,metricsBufferTimeMillis=60000",
}


class KclConsumer(Construct):
    """Runs `dropslot consume`: nothing open inbound, a root file system that can't be written, no capability.

    Args:
        scope: the parent.
        construct_id: unique in it.
        table: of requests.
        journal: of finished steps.
        stream: with the table's change records.
        vpc: where tasks run.
        subnets: of that VPC.
        assign_public_ip: whether tasks get public addresses.
        application: name of the KCL application, of its tables and of its metrics' namespace.
        image_directory: holds the Dockerfile; built for ARM64 when one deploys, not when one synthesises.
        image_uri: of an image that is there already, instead; see `find_image`.
        cpu: units of 1/1024 of a core, in sizes that Fargate has.
        memory_mib: of a task, as Fargate has with that many cores; 256 MB of it are the JVM's heap.
        tasks_min: how many always run.
        tasks_max: how many may run; the same as `tasks_min` makes no autoscaling.
        shards: of the stream, None if it is on demand; no more tasks than shards ever run.
        environment: variables of the consumer and its handlers.
        secrets: variable to the name or ARN of a secret of Secrets Manager.
        log_retention: how long log lines are kept.
        removal_policy: of the log.

    Raises:
        ValueError: `environment` sets what follows from other arguments.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        table: dynamodb.ITable,
        journal: dynamodb.ITable,
        stream: kinesis.IStream,
        vpc: ec2.IVpc,
        subnets: ec2.SubnetSelection,
        assign_public_ip: bool,
        application: str,
        image_directory: Path,
        image_uri: str = "",
        cpu: int = 512,
        memory_mib: int = 1024,
        tasks_min: int = 1,
        tasks_max: int = 2,
        shards: int | None = None,
        environment: Mapping[str, str] | None = None,
        secrets: Mapping[str, str] | None = None,
        log_retention: logs.RetentionDays = logs.RetentionDays.ONE_MONTH,
        removal_policy: RemovalPolicy = RemovalPolicy.RETAIN,
    ) -> None:
        super().__init__(scope, construct_id)
        secrets = secrets if secrets is not None else {}
        variables = merge_variables(
            chosen=with_default_variables(environment if environment is not None else {}),
            own={
                "AWS_REGION": Stack.of(self).region,
                "DROPSLOT_APPLICATION": application,
                "DROPSLOT_JOURNAL": journal.table_name,
                "DROPSLOT_STATE_DIR": STATE_FOLDER,
                "DROPSLOT_STREAM": stream.stream_name,
                "DROPSLOT_TABLE": table.table_name,
            },
            taken=secrets.keys(),
        )
        self.tables: Final = KclTables(self, "Kcl", application=application)
        self.log_group: Final = logs.LogGroup(self, "Log", retention=log_retention, removal_policy=removal_policy)
        task = ecs.FargateTaskDefinition(
            self,
            "Task",
            cpu=cpu,
            memory_limit_mib=memory_mib,
            runtime_platform=ecs.RuntimePlatform(
                cpu_architecture=ecs.CpuArchitecture.ARM64, operating_system_family=ecs.OperatingSystemFamily.LINUX
            ),
        )
        self.task_role: Final[iam.IRole] = task.task_role
        self.execution_role: Final[iam.IRole] = task.obtain_execution_role()
        for statement in (
            permissions.use_requests(table),
            permissions.keep_journal(journal),
            permissions.find_unfinished(table),
            permissions.read_stream(stream),
            *permissions.keep_leases(self.tables),
            permissions.publish_metrics(application),
        ):
            task.add_to_task_role_policy(statement)
        self._add_container(task, find_image(self, directory=image_directory, uri=image_uri), variables, secrets)
        _review(task)
        self.security_group: Final = ec2.SecurityGroup(
            self, "SecurityGroup", vpc=vpc, description="Consumer of Dropslot: nothing in, handlers call out"
        )
        tasks_max = tasks_max if shards is None else min(tasks_max, shards)
        scales = tasks_max > tasks_min
        self.service: Final = ecs.FargateService(
            self,
            "Service",
            cluster=self._make_cluster(vpc),
            task_definition=task,
            # Where their number changes by itself, a deployment must not set it back.
            desired_count=None if scales else tasks_min,
            vpc_subnets=subnets,
            assign_public_ip=assign_public_ip,
            security_groups=[self.security_group],
            # The new version must be healthy before the old one is told to stop: both read for a while, each shard by
            # one of them. Stopping first would leave nobody to go back to.
            min_healthy_percent=100,
            max_healthy_percent=200,
            circuit_breaker=ecs.DeploymentCircuitBreaker(rollback=True),
            enable_execute_command=False,
            propagate_tags=ecs.PropagatedTagSource.SERVICE,
        )
        if scales:
            KclScaling(self, "Scaling", service=self.service, stream=stream, tasks_min=tasks_min, tasks_max=tasks_max)

    def _make_cluster(self, vpc: ec2.IVpc) -> ecs.Cluster:
        cluster = ecs.Cluster(self, "Cluster", vpc=vpc)
        acknowledge(
            cluster,
            {
                "AwsSolutions::AwsSolutions-ECS4": (
                    "Container Insights costs by the metric; the alarms rest on the age of unread records, on "
                    "there being readers at all, and on the consumer's own log lines"
                )
            },
        )
        return cluster

    def _add_container(
        self,
        task: ecs.FargateTaskDefinition,
        image: ecs.ContainerImage,
        variables: Mapping[str, str],
        secrets: Mapping[str, str],
    ) -> None:
        linux = ecs.LinuxParameters(self, "Linux")
        linux.drop_capabilities(ecs.Capability.ALL)
        container = task.add_container(
            "Consumer",
            image=image,
            environment=dict(variables),
            secrets={
                variable: ecs.Secret.from_secrets_manager(find_secret(self, variable, name))
                for variable, name in secrets.items()
            },
            user=USER,
            readonly_root_filesystem=True,
            linux_parameters=linux,
            stop_timeout=Duration.seconds(STOP_TIMEOUT_SECONDS),
            # ECS does not read the image's own. Healthy only once it has worked: a version that cannot is taken back.
            health_check=ecs.HealthCheck(
                command=["CMD", "dropslot", "healthy"],
                # Slower than the supervisor replaces a stuck shard's process: the whole task is the last resort.
                interval=Duration.seconds(30),
                timeout=Duration.seconds(10),
                retries=3,
                start_period=Duration.seconds(120),
            ),
            logging=ecs.LogDriver.aws_logs(
                stream_prefix="consumer",
                log_group=self.log_group,
                # A log that can't be reached must not stop the work.
                mode=ecs.AwsLogDriverMode.NON_BLOCKING,
                max_buffer_size=Size.mebibytes(10),
            ),
        )
        # Fargate has no tmpfs. A volume of the task takes owner and mode from the image, and is gone with the task.
        for name, folder in (("state", STATE_FOLDER), ("temporary", TEMPORARY_FOLDER)):
            task.add_volume(name=name)
            container.add_mount_points(ecs.MountPoint(source_volume=name, container_path=folder, read_only=False))


def with_default_variables(chosen: Mapping[str, str]) -> dict[str, str]:
    """Return variables with `DEFAULT_VARIABLES` beneath them; of KCL's properties, only those named are replaced."""
    merged = {**DEFAULT_VARIABLES, **chosen}
    if _PROPERTIES in chosen:
        # Of a property that stands there twice, the later holds.
        merged[_PROPERTIES] = f"{DEFAULT_VARIABLES[_PROPERTIES]},{chosen[_PROPERTIES]}"
    return merged


def _review(task: ecs.FargateTaskDefinition) -> None:
    acknowledge(
        task.node.find_child("Resource"),
        {"AwsSolutions::AwsSolutions-ECS2": "names and limits, no secrets: those come from Secrets Manager"},
    )
    acknowledge(
        task.task_role.node.find_child("DefaultPolicy"),
        {"AwsSolutions::AwsSolutions-IAM5[Resource::*]": "PutMetricData knows no resource; a condition limits it"},
    )
    acknowledge(
        task.obtain_execution_role().node.find_child("DefaultPolicy"),
        {"AwsSolutions::AwsSolutions-IAM5[Resource::*]": "ecr:GetAuthorizationToken knows no resource"},
    )
