"""The whole service as one stack: each capability a construct, put together as the settings say."""

from pathlib import Path
from typing import Final

from aws_cdk import CfnOutput, Duration, Environment, Fn, RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from dropslot_infra.api import Api
from dropslot_infra.bundling import lambda_code
from dropslot_infra.feedback import Feedback
from dropslot_infra.feedback_watch import FeedbackWatch
from dropslot_infra.kcl_consumer import KclConsumer
from dropslot_infra.lambda_consumer import LambdaConsumer
from dropslot_infra.monitoring import KclWatch, LambdaWatch, Monitoring
from dropslot_infra.network import ExistingNetwork, Network
from dropslot_infra.operators import Operators
from dropslot_infra.requests import Requests
from dropslot_infra.retention import LOG_RETENTION
from dropslot_infra.settings import DeploymentSettings
from dropslot_infra.sweep import ScheduledSweep

_LOG_LEVEL: Final = "DROPSLOT_LOG_LEVEL"


class DropslotStack(Stack):
    """Table, stream, API, consumer and alarms. `handler_role` is where a handler's own permissions go.

        stack = DropslotStack(app, settings.name, settings=settings, project=project)
        orders_bucket.grant_read(stack.handler_role)

    Args:
        scope: the app.
        construct_id: unique in it; the stack's name.
        settings: what to deploy.
        project: the folder with `app/`, `dropslot.toml` and the Dockerfile.
        code: the functions' asset, instead of the one that is built from the project.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: DeploymentSettings,
        project: Path,
        code: lambda_.Code | None = None,
    ) -> None:
        keep = settings.removal == "retain"
        super().__init__(
            scope,
            construct_id,
            description="Dropslot: takes requests, stores them, answers at once, and makes sure they are processed",
            env=Environment(account=settings.account or None, region=settings.region or None),
            termination_protection=keep,
        )
        self._settings = settings
        self._project = project
        # What a first deployment that fails has made holds nothing yet, and would be in the next one's way.
        self._removal_policy = RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE if keep else RemovalPolicy.DESTROY
        self._log_retention = LOG_RETENTION[settings.log_retention_days]
        self.requests: Final = Requests(
            self,
            "Requests",
            name=settings.name,
            shards=settings.shards if isinstance(settings.shards, int) else None,
            stream_retention=Duration.hours(settings.stream_retention_hours),
            removal_policy=self._removal_policy,
        )
        self.api: Final = Api(
            self,
            "Api",
            name=settings.name,
            types=settings.api,
            table=self.requests.table,
            journal=self.requests.journal,
            auth=settings.auth,
            open_types=settings.open_types,
            user_pool_arn=settings.cognito_user_pool_arn,
            api_keys=settings.api_keys,
            cors_origin=settings.cors_origin,
            requests_per_second=settings.requests_per_second,
            requests_burst=settings.requests_burst,
            log_role=settings.api_log_role == "stack",
            log_retention=self._log_retention,
            removal_policy=self._removal_policy,
        )
        self.feedback: Final = self._push_outcomes(code) if settings.feedback else None
        self.handler_role: Final[iam.IRole] = (
            self._run_in_tasks() if settings.consumer == "kcl" else self._run_in_functions(code)
        )
        CfnOutput(self, "Url", value=self.api.url, description="Where requests are sent: this and a type's name")
        if self.feedback is not None:
            CfnOutput(
                self, "WebSocketUrl", value=self.feedback.websocket.url, description="Where clients wait for outcomes"
            )
        CfnOutput(self, "TableName", value=self.requests.table.table_name)
        CfnOutput(self, "StreamName", value=self.requests.stream.stream_name)

    @property
    def availability_zones(self) -> list[str]:
        """Two zones of wherever this is deployed, which CloudFormation knows: CDK itself would ask AWS for them."""
        return [Fn.select(zone, Fn.get_azs()) for zone in range(2)]

    def _push_outcomes(self, code: lambda_.Code | None) -> Feedback:
        settings = self._settings
        return Feedback(
            self,
            "Feedback",
            name=f"{settings.name}-feedback",
            table=self.requests.table,
            stream=self.requests.stream,
            code=code if code is not None else lambda_code(project=self._project, with_app=False),
            auth=settings.auth,
            api_keys=self.api.api_keys,
            cors_origin=settings.cors_origin,
            socket_concurrency=settings.feedback_concurrency if settings.feedback_concurrency > 0 else None,
            requests_per_second=settings.requests_per_second,
            requests_burst=settings.requests_burst,
            # What else the consumer is told is none of their business.
            environment={name: text for name, text in settings.environment.items() if name == _LOG_LEVEL},
            account=self.api.account,
            log_retention=self._log_retention,
            removal_policy=self._removal_policy,
        )

    def _run_in_tasks(self) -> iam.IRole:
        settings = self._settings
        network: Network | ExistingNetwork
        if settings.network == "existing":
            network = ExistingNetwork(
                self,
                "Network",
                vpc_id=settings.vpc_id,
                subnet_ids=settings.vpc_subnet_ids,
                assign_public_ip=settings.vpc_public_ips,
            )
        else:
            # Each mode's network is another one: in the same VPC, new subnets would want the addresses of the old ones.
            network = Network(
                self, "Network" if settings.network == "public" else "PrivateNetwork", mode=settings.network
            )
        consumer = KclConsumer(
            self,
            "Consumer",
            table=self.requests.table,
            journal=self.requests.journal,
            stream=self.requests.stream,
            vpc=network.vpc,
            subnets=network.subnets,
            assign_public_ip=network.assign_public_ip,
            application=settings.name,
            image_directory=self._project,
            image_uri=settings.image,
            cpu=settings.task_cpu,
            memory_mib=settings.task_memory_mib,
            tasks_min=settings.tasks_min,
            tasks_max=settings.tasks_max,
            shards=settings.shards if isinstance(settings.shards, int) else None,
            environment=self._variables(),
            secrets=settings.secrets,
            log_retention=self._log_retention,
            removal_policy=self._removal_policy,
        )
        network.admit(consumer.service)
        # A task that starts before it can reach anything or may pull its image fails, and the deployment with it; one
        # that is left when its way out goes holds that up.
        consumer.service.node.add_dependency(network, consumer.execution_role)
        self._operate(consumer)
        self._watch(KclWatch(application=settings.name, paused=settings.tasks_max == 0), consumer.log_group)
        return consumer.task_role

    def _run_in_functions(self, code: lambda_.Code | None) -> iam.IRole:
        settings = self._settings
        code = code if code is not None else lambda_code(project=self._project)
        consumer = LambdaConsumer(
            self,
            "Consumer",
            table=self.requests.table,
            journal=self.requests.journal,
            stream=self.requests.stream,
            code=code,
            environment=self._variables(),
            secrets=settings.secrets,
            memory_mib=settings.function_memory_mib,
            parallelization=settings.function_concurrency,
            log_retention=self._log_retention,
            removal_policy=self._removal_policy,
        )
        sweep = ScheduledSweep(
            self,
            "Sweep",
            table=self.requests.table,
            code=code,
            # It runs no handler, so what handlers are told is none of its business.
            environment={name: text for name, text in self._variables().items() if name.startswith("DROPSLOT_")},
            log_retention=self._log_retention,
            removal_policy=self._removal_policy,
        )
        self._operate(consumer)
        self._watch(
            LambdaWatch(
                consumer=consumer.alias,
                mapping_id=consumer.mapping.ref,
                sweep=sweep.function,
                sweep_log=sweep.log_group,
            ),
            consumer.log_group,
        )
        return consumer.role

    def _operate(self, consumer: KclConsumer | LambdaConsumer) -> None:
        Operators(
            self,
            "Operators",
            name=self._settings.name,
            requests=self.requests,
            consumer=consumer,
            viewer_roles=self._settings.viewer_roles,
            operator_roles=self._settings.operator_roles,
        )

    def _watch(self, consumer: KclWatch | LambdaWatch, consumer_log: logs.ILogGroup) -> None:
        Monitoring(
            self,
            "Monitoring",
            name=self._settings.name,
            stage=self.api.stage,
            access_log=self.api.log_group,
            table=self.requests.table,
            stream=self.requests.stream,
            consumer_log=consumer_log,
            consumer=consumer,
            feedback=(
                None
                if self.feedback is None
                else FeedbackWatch(socket=self.feedback.socket, notify=self.feedback.notify)
            ),
            alarm_email=self._settings.alarm_email or None,
        )

    def _variables(self) -> dict[str, str]:
        handlers = self._settings.handlers
        return {
            **self._settings.environment,
            "DROPSLOT_HANDLER": ",".join(
                target if name == "*" else f"{name}={target}" for name, target in sorted(handlers.items())
            ),
            "DROPSLOT_TTL_SECONDS": str(self._settings.ttl_seconds),
        }
