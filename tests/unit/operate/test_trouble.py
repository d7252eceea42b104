"""Errors of AWS, one row each of what an operator reads instead."""

import pytest
from botocore import exceptions
from botocore.exceptions import BotoCoreError, ClientError

from dropslot.core.errors import ConfigurationError, DropslotError
from dropslot.operate.errors import OutOfReachError
from dropslot.operate.trouble import explain

TABLE_ARN = "arn:aws:dynamodb:eu-central-1:123456789012:table/shop-requests"


def answer(code: str, message: str = "no", operation: str = "Query") -> ClientError:
    """Return an error as a service answers it."""
    return ClientError({"Error": {"Code": code, "Message": message}}, operation)


ADA = "arn:aws:sts::123456789012:assumed-role/on-call/ada"
UNFINISHED = f"{TABLE_ARN}/index/unfinished"
DENIAL = (
    f"User: {ADA} is not authorized to perform: dynamodb:Query on resource: {UNFINISHED} because no identity-based "
    "policy allows the dynamodb:Query action"
)

ROWS: list[tuple[ClientError | BotoCoreError, type[DropslotError], str]] = [
    (
        answer("AccessDeniedException", DENIAL),
        OutOfReachError,
        f"{ADA} may not dynamodb:Query on {UNFINISHED}: the policy in the stack's output LookPolicy allows it",
    ),
    (
        answer("AccessDeniedException", DENIAL.replace("no identity-based policy", "no permissions boundary")),
        OutOfReachError,
        f"{ADA} may not dynamodb:Query on {UNFINISHED}, because no permissions boundary allows the dynamodb:Query",
    ),
    (
        answer("AccessDeniedException", f"{DENIAL.partition(' because')[0]} with an explicit deny in a session policy"),
        OutOfReachError,
        f"{ADA} may not dynamodb:Query on {UNFINISHED}, with an explicit deny in a session policy: ask who manages",
    ),
    (
        answer("AccessDenied", 'User: u is not authorized to perform: s3:GetObject on resource: "arn:aws:s3:::b/k"'),
        OutOfReachError,
        "u may not s3:GetObject on arn:aws:s3:::b/k: the policy in the stack's output LookPolicy allows it",
    ),
    (
        answer("AccessDeniedException", "denied"),
        OutOfReachError,
        "these credentials may not dynamodb:Query on table t: the policy in the stack's output LookPolicy allows it",
    ),
    (
        answer("AccessDeniedException", "", "BatchExecuteStatement"),
        OutOfReachError,
        "these credentials may not dynamodb:PartiQLUpdate on table t: the policy in the stack's output ActPolicy",
    ),
    (
        answer("ExpiredTokenException"),
        OutOfReachError,
        "AWS doesn't take these credentials (ExpiredTokenException): sign in again, or give another --profile",
    ),
    (
        answer("ResourceNotFoundException"),
        OutOfReachError,
        "table t isn't there: check --stack, --region and --profile",
    ),
    (
        answer("ThrottlingException"),
        OutOfReachError,
        "table t keeps answering ThrottlingException: try again later, or with a lower --rate",
    ),
    (answer("Strange", "why"), OutOfReachError, "DynamoDB Query on table t: Strange: why"),
    (
        exceptions.NoCredentialsError(),
        OutOfReachError,
        "no credentials for AWS (Unable to locate credentials): give --profile, or sign in with aws sso login",
    ),
    (
        exceptions.ProfileNotFound(profile="x"),
        ConfigurationError,
        "The config profile (x) could not be found: aws configure list-profiles lists them",
    ),
    (
        exceptions.NoRegionError(),
        ConfigurationError,
        "no region: give --region, or set AWS_REGION, or one for the profile",
    ),
    (
        exceptions.EndpointConnectionError(endpoint_url="http://127.0.0.1:9/"),
        OutOfReachError,
        'table t can\'t be reached: Could not connect to the endpoint URL: "http://127.0.0.1:9/"',
    ),
    (
        exceptions.ReadTimeoutError(endpoint_url="http://127.0.0.1:9/"),
        OutOfReachError,
        'table t can\'t be reached: Read timeout on endpoint URL: "http://127.0.0.1:9/"',
    ),
    (exceptions.DataNotFoundError(data_path="x"), OutOfReachError, "table t: DataNotFoundError: Unable to load data"),
]


@pytest.mark.parametrize(("error", "kind", "says"), ROWS)
def test_each_error_is_one_sentence(error: ClientError | BotoCoreError, kind: type[DropslotError], says: str) -> None:
    """Given an error, the operator reads what is missing and what to do about it."""
    explained = explain(error, service="DynamoDB", where="table t")

    assert type(explained) is kind
    assert str(explained).startswith(says)
    assert "\n" not in str(explained)
