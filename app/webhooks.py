"""What happens to a GitHub webhook: its signature is checked, and what it is about becomes the result."""

import functools
import hashlib
import hmac
import os

from dropslot import Reject, Request, RetryLater


def handle(request: Request) -> dict[str, str | None]:
    """Return what the webhook is about; anybody may have sent it, so first it must prove where it comes from."""
    body = request.body if isinstance(request.body, bytes) else request.body.encode()
    signature = "sha256=" + hmac.new(_secret(), body, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(request.headers.get("X-Hub-Signature-256", "").encode(), signature.encode()):
        raise Reject("the signature in X-Hub-Signature-256 is missing or wrong")
    event = request.headers.get("X-GitHub-Event")
    if event is None:
        raise Reject("not a GitHub webhook: it has no X-GitHub-Event header")
    payload = request.json()
    repository = payload.get("repository") or {}
    return {"event": event, "action": payload.get("action"), "repository": repository.get("full_name")}


@functools.cache
def _secret() -> bytes:
    """Return the secret that GitHub signs with.

    A container has it in its environment. A function has its ARN there: whoever may look at a function's settings could
    read its variables.
    """
    if secret := os.environ.get("WEBHOOK_SECRET"):
        return secret.encode()
    arn = os.environ.get("WEBHOOK_SECRET_ARN")
    if arn is None:
        # Not a failure of the request: it goes through once somebody has set it.
        raise RetryLater("neither WEBHOOK_SECRET nor WEBHOOK_SECRET_ARN is set, so no webhook can be checked")
    import boto3  # noqa: PLC0415 - Lambda's own, and only needed here

    return str(boto3.client("secretsmanager").get_secret_value(SecretId=arn)["SecretString"]).encode()
