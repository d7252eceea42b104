"""The tables beside that of requests, as the deployed stack makes them."""

from collections.abc import Mapping, Sequence
from typing import Any

from dropslot_infra.connections import Connections
from dropslot_infra.kcl_tables import KclTables
from tests.infra.parts import make_stack
from tests.infra.synthesis import only_resource_of, resources_of, template_of


def kcl_tables(application: str) -> Sequence[Mapping[str, Any]]:
    """Return the arguments of CreateTable for what KCL keeps."""
    stack = make_stack()
    KclTables(stack, "Kcl", application=application)
    return list(resources_of(template_of(stack), "AWS::DynamoDB::Table").values())


def connections_table(name: str) -> Mapping[str, Any]:
    """Return the arguments of CreateTable for who is connected and waits for what."""
    stack = make_stack()
    Connections(stack, "Connections")
    properties = only_resource_of(template_of(stack), "AWS::DynamoDB::Table")
    return {**{key: part for key, part in properties.items() if key != "TimeToLiveSpecification"}, "TableName": name}
