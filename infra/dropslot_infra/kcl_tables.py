"""The tables of KCL's bookkeeping, made with the consumer and gone with it."""

from typing import Final

from aws_cdk import RemovalPolicy
from aws_cdk import aws_dynamodb as dynamodb
from constructs import Construct

from dropslot_infra.review import acknowledge

#: By which KCL finds the leases of a worker.
LEASE_INDEX: Final = "LeaseOwnerToLeaseKeyIndex"


class KclTables(Construct):
    """What KCL would make itself at its first start, under the names and with the keys that it looks for.

    Made here because leases point into one stream: those that outlived it would have the next consumer of that name
    wait for ever for records of a stream that is no more. So they always go, even where data is to stay: kept, they
    would be in the way of whoever comes back to KCL, and without them the stream is only read again.

    Args:
        scope: the parent.
        construct_id: unique in it.
        application: name of the KCL application, which names the tables.
    """

    def __init__(self, scope: Construct, construct_id: str, *, application: str) -> None:
        super().__init__(scope, construct_id)
        self.leases: Final = self._table("Leases", application, "leaseKey")
        self.leases.add_global_secondary_index(
            index_name=LEASE_INDEX,
            partition_key=dynamodb.Attribute(name="leaseOwner", type=dynamodb.AttributeType.STRING),
            sort_key=dynamodb.Attribute(name="leaseKey", type=dynamodb.AttributeType.STRING),
            projection_type=dynamodb.ProjectionType.KEYS_ONLY,
        )
        #: KCL 3.0 to 3.4: the leader's lock.
        self.coordination: Final = self._table("Coordination", f"{application}-CoordinatorState", "key")
        #: KCL 3.0 to 3.4: how busy each worker is.
        self.statistics: Final = self._table("Statistics", f"{application}-WorkerMetricStats", "wid")

    def _table(self, construct_id: str, name: str, key: str) -> dynamodb.Table:
        table = dynamodb.Table(
            self,
            construct_id,
            table_name=name,
            partition_key=dynamodb.Attribute(name=key, type=dynamodb.AttributeType.STRING),
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            removal_policy=RemovalPolicy.DESTROY,
        )
        acknowledge(
            table,
            {
                "AwsSolutions::AwsSolutions-DDB3": "KCL's bookkeeping: without it all of the stream is read again, "
                "and what is settled is skipped",
            },
        )
        return table
