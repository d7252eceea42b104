"""KCL's tables, as the template has them: what KCL finds, it doesn't make."""

import pytest

from dropslot_infra.kcl_tables import KclTables
from tests.infra.parts import make_stack
from tests.infra.synthesis import Template, resources_of, template_of


@pytest.fixture(scope="module")
def template() -> Template:
    """The tables of one application."""
    stack = make_stack()
    KclTables(stack, "Kcl", application="shop")
    return template_of(stack)


def test_they_have_the_names_and_keys_that_kcl_looks_for(template: Template) -> None:
    """Given an application, then leases, lock and statistics have the names and keys of KCL 3.1's own."""
    keys = {
        table["TableName"]: [(key["AttributeName"], key["KeyType"]) for key in table["KeySchema"]]
        for table in resources_of(template, "AWS::DynamoDB::Table").values()
    }
    assert keys == {
        "shop": [("leaseKey", "HASH")],
        "shop-CoordinatorState": [("key", "HASH")],
        "shop-WorkerMetricStats": [("wid", "HASH")],
    }


def test_leases_are_found_by_their_owner(template: Template) -> None:
    """Given the table of leases, then it has the index that KCL would else make, and wait for, at each first start."""
    (leases,) = (t for t in resources_of(template, "AWS::DynamoDB::Table").values() if t["TableName"] == "shop")
    (index,) = leases["GlobalSecondaryIndexes"]
    assert index["IndexName"] == "LeaseOwnerToLeaseKeyIndex"
    assert [key["AttributeName"] for key in index["KeySchema"]] == ["leaseOwner", "leaseKey"]
    assert index["Projection"] == {"ProjectionType": "KEYS_ONLY"}


def test_none_outlives_its_stream(template: Template) -> None:
    """Given tables that point into a stream, then they go with the stack, and nothing protects them from that."""
    for table in template["Resources"].values():
        assert table["DeletionPolicy"] == "Delete"
        assert not table["Properties"].get("DeletionProtectionEnabled")
        assert table["Properties"]["BillingMode"] == "PAY_PER_REQUEST"
