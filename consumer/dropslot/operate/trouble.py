"""Errors of AWS in one sentence each: what is missing, and where to get it."""

import re
from typing import Final

from botocore import exceptions
from botocore.exceptions import BotoCoreError, ClientError

from dropslot.core.errors import ConfigurationError, DropslotError
from dropslot.core.transience import TRANSIENT_AWS_CODES
from dropslot.operate.errors import OutOfReachError

_NO_CREDENTIALS: Final = (
    exceptions.NoCredentialsError,
    exceptions.PartialCredentialsError,
    exceptions.CredentialRetrievalError,
    exceptions.SSOError,
)
_NO_ANSWER: Final = (exceptions.ConnectionError, exceptions.HTTPClientError)
#: What AWS answers to credentials that it doesn't take.
_REFUSED_CREDENTIALS: Final = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "MissingAuthenticationToken",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
_DENIED: Final = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"})
#: How IAM says it: https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
_DENIAL: Final = re.compile(r"User: (\S+) is not authorized to perform: (\S+)(?: on resource: (\S+))?")
_PREFIXES: Final = {"DynamoDB": "dynamodb", "Kinesis": "kinesis", "CloudWatch": "cloudwatch", "Lambda": "lambda"}


def explain(error: ClientError | BotoCoreError, *, service: str, where: str) -> DropslotError:
    """Return what to raise instead.

    Args:
        error: of a call.
        service: whose call it was, as AWS writes it.
        where: what was called, for a reader: a table and where it is.
    """
    if isinstance(error, ClientError):
        return _explain_answer(error, service=service, where=where)
    if isinstance(error, exceptions.ProfileNotFound):
        return ConfigurationError(f"{error}: aws configure list-profiles lists them")
    if isinstance(error, exceptions.NoRegionError):
        return ConfigurationError("no region: give --region, or set AWS_REGION, or one for the profile")
    if isinstance(error, _NO_CREDENTIALS):
        return OutOfReachError(f"no credentials for AWS ({error}): give --profile, or sign in with aws sso login")
    if isinstance(error, _NO_ANSWER):
        return OutOfReachError(f"{where} can't be reached: {error}")
    return OutOfReachError(f"{where}: {type(error).__name__}: {error}")


def _explain_answer(error: ClientError, *, service: str, where: str) -> DropslotError:
    answer = error.response.get("Error", {})
    code, message = answer.get("Code", "unknown"), answer.get("Message", "")
    if code in _DENIED:
        denial = _DENIAL.search(message)
        action = f"{_PREFIXES.get(service, service.lower())}:{error.operation_name}"
        who, what, resource = denial.groups() if denial is not None else ("these credentials", action, None)
        on = resource if resource is not None else where
        return OutOfReachError(f"{who} may not {what} on {on}: docs/permissions.md has the operator's policy")
    if code in _REFUSED_CREDENTIALS:
        return OutOfReachError(f"AWS doesn't take these credentials ({code}): sign in again, or give another --profile")
    if code == "ResourceNotFoundException":
        return OutOfReachError(f"{where} isn't there: check --stack, --region and --profile")
    if code in TRANSIENT_AWS_CODES:
        return OutOfReachError(f"{where} keeps answering {code}: try again later, or with a lower --rate")
    return OutOfReachError(f"{service} {error.operation_name} on {where}: {code}: {message}")
