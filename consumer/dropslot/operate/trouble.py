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
_DENIAL: Final = re.compile(r'User: (\S+) is not authorized to perform: (\S+)(?: on resource: "?([^\s"]+)"?)?')
#: Operations that need another action than one of their own name.
_OTHER_ACTIONS: Final = {"BatchExecuteStatement": "PartiQLUpdate", "ListObjectsV2": "ListBucket"}
#: Outputs of the stack: the policies of operators, and the actions of the second; all else is looking.
LOOK_POLICY: Final = "LookPolicy"
ACT_POLICY: Final = "ActPolicy"
ACTING: Final = frozenset(
    {
        "dynamodb:BatchWriteItem",
        "dynamodb:DeleteItem",
        "dynamodb:PartiQLInsert",
        "dynamodb:PartiQLUpdate",
        "dynamodb:PutItem",
        "lambda:UpdateEventSourceMapping",
    }
)


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
        operation = _OTHER_ACTIONS.get(error.operation_name, error.operation_name)
        return denied(f"{service.lower()}:{operation}", where, message)
    if code in _REFUSED_CREDENTIALS:
        return OutOfReachError(f"AWS doesn't take these credentials ({code}): sign in again, or give another --profile")
    if code == "ResourceNotFoundException":
        return OutOfReachError(f"{where} isn't there: check --stack, --region and --profile")
    if code in TRANSIENT_AWS_CODES:
        return OutOfReachError(f"{where} keeps answering {code}: try again later, or with a lower --rate")
    return OutOfReachError(f"{service} {error.operation_name} on {where}: {code}: {message}")


def denied(action: str, resource: str, message: str = "") -> OutOfReachError:
    """Return what to raise when a permission is missing: who lacks which, and what would grant it.

    Args:
        action: as policies name it.
        resource: what it was to be done to, for a reader.
        message: of IAM, which knows all three better; "" where it is lost.
    """
    who = "these credentials"
    denial = _DENIAL.search(message)
    if denial is not None:
        who, action, resource = denial[1], denial[2], denial[3] if denial[3] is not None else resource
        because = message[denial.end() :].strip(" .")
        if because and "no identity-based policy" not in because:
            # A boundary, say, or the organisation: no policy of ours would help.
            return OutOfReachError(f"{who} may not {action} on {resource}, {because}: ask who manages the account")
    policy = ACT_POLICY if action in ACTING else LOOK_POLICY
    return OutOfReachError(
        f"{who} may not {action} on {resource}: the policy in the stack's output {policy} allows it "
        "(docs/permissions.md, Operators)"
    )
