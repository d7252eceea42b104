"""Which way to a table is taken."""

import pytest

from dropslot.adapters.wire.dynamodb import TableCalls
from dropslot.adapters.wire.sdk import Boto3Calls
from dropslot.runtimes.lambda_.table import open_calls

LAMBDA = {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_SESSION_TOKEN": "token"}


@pytest.mark.parametrize("region", ["eu-central-1", "us-gov-west-1", "ap-southeast-5", "mx-central-1"])
def test_what_lambda_sets_is_enough(region: str) -> None:
    """Given credentials of the role and a public region, then no SDK is needed."""
    assert isinstance(open_calls(LAMBDA, table="requests", region=region), TableCalls)


def test_an_endpoint_can_be_set() -> None:
    """Given the endpoint of a server in clear text, then what only matters to encrypted ones is left aside."""
    environment = {**LAMBDA, "AWS_ENDPOINT_URL_DYNAMODB": "http://127.0.0.1:8000", "AWS_CA_BUNDLE": "/ca.pem"}
    assert isinstance(open_calls(environment, table="requests", region="nowhere"), TableCalls)


@pytest.mark.parametrize(
    ("region", "changed"),
    [
        ("eu-central-1", {"AWS_SECRET_ACCESS_KEY": ""}),
        ("eu-central-1", {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://169.254.170.23/"}),
        ("eu-central-1", {"AWS_USE_FIPS_ENDPOINT": "true"}),
        ("eu-central-1", {"HTTPS_PROXY": "http://proxy:3128"}),
        ("cn-north-1", {}),
        ("us-iso-east-1", {}),
    ],
)
def test_anything_else_is_left_to_the_sdk(region: str, changed: dict[str, str]) -> None:
    """Given other credentials, endpoints or proxies, then boto3 finds its way."""
    calls = open_calls({**LAMBDA, **changed}, table="requests", region=region)
    assert isinstance(calls, Boto3Calls)
    calls.close()
