"""Pushes outcomes to the clients that wait for them: a WebSocket API, a table of connections, and two functions."""

from collections.abc import Mapping, Sequence
from typing import Final

from aws_cdk import RemovalPolicy
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_kinesis as kinesis
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct, IDependable

from dropslot.api.access import Auth
from dropslot.core import mapping
from dropslot_infra import permissions
from dropslot_infra.connections import Connections
from dropslot_infra.function import Function
from dropslot_infra.notify import Notify
from dropslot_infra.websocket import WebSocket


class Feedback(Construct):
    """Lets clients connect and watch requests of theirs, and tells them when those are settled.

    Best effort: whoever misses a push learns the same by asking the HTTP API, or by watching again. No handler runs in
    either function, so both are the same whatever consumes. They run in no network: clients come from outside.

    Args:
        scope: the parent.
        construct_id: unique in it.
        name: of the WebSocket API.
        table: of requests.
        stream: with the table's change records.
        code: the asset, see `bundling`; the handlers needn't be in it.
        architecture: what the asset was built for.
        auth: how a caller proves who it is when it connects.
        api_keys: keys that callers have, for auth ``api_key``.
        cors_origin: the origin whose pages may connect, or ``*``; "" for none.
        socket_concurrency: connections and messages served at once at most, taken from what the account has; None takes
            nothing, and leaves them all of it.
        requests_per_second: taken over time by each route of the API, from all connections together.
        requests_burst: taken at once by each.
        environment: variables of both functions.
        account: what lets API Gateway write logs, if it is part of this stack.
        log_retention: how long log lines are kept.
        removal_policy: of the logs.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        table: dynamodb.ITable,
        stream: kinesis.IStream,
        code: lambda_.Code,
        architecture: lambda_.Architecture = lambda_.Architecture.ARM_64,
        auth: Auth,
        api_keys: Sequence[apigateway.IApiKey] = (),
        cors_origin: str = "",
        socket_concurrency: int | None = None,
        requests_per_second: int,
        requests_burst: int,
        environment: Mapping[str, str] | None = None,
        account: IDependable | None = None,
        log_retention: logs.RetentionDays = logs.RetentionDays.ONE_MONTH,
        removal_policy: RemovalPolicy = RemovalPolicy.RETAIN,
    ) -> None:
        super().__init__(scope, construct_id)
        self.connections: Final = Connections(self, "Connections").table
        self.log_group: Final = logs.LogGroup(self, "Events", retention=log_retention, removal_policy=removal_policy)
        self.websocket: Final = WebSocket(
            self,
            "Api",
            name=name,
            auth=auth,
            api_keys=api_keys,
            requests_per_second=requests_per_second,
            requests_burst=requests_burst,
            log_group=self.log_group,
        )
        variables = {
            **(environment if environment is not None else {}),
            "DROPSLOT_CONNECTIONS": self.connections.table_name,
            "DROPSLOT_CALLBACK_URL": self.websocket.callback_url,
        }
        built = Function(
            self,
            "Socket",
            handler=mapping.SOCKET_HANDLER,
            description="WebSocket of Dropslot: notes who waits for which request",
            table=table,
            code=code,
            architecture=architecture,
            environment={
                **variables,
                "DROPSLOT_AUTH": auth,
                **({"DROPSLOT_CORS_ORIGIN": cors_origin} if cors_origin else {}),
            },
            secrets={},
            memory_mib=mapping.SOCKET_MEMORY_MIB,
            timeout_seconds=mapping.SOCKET_TIMEOUT_SECONDS,
            reserved_concurrency=socket_concurrency,
            log_retention=log_retention,
            removal_policy=removal_policy,
        )
        self.socket: Final = built.function
        for statement in (permissions.read_requests(table), permissions.keep_watches(self.connections)):
            built.role.add_to_policy(statement)
        self.websocket.let_push(built.role)
        self.websocket.answer_by(self.socket, ready=() if account is None else (account,))
        self.notify: Final = Notify(
            self,
            "Outcomes",
            table=table,
            stream=stream,
            connections=self.connections,
            websocket=self.websocket,
            code=code,
            architecture=architecture,
            environment=variables,
            log_retention=log_retention,
            removal_policy=removal_policy,
        ).function
