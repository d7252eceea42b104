"""The shipped webhook handler: it believes what GitHub has signed, and nothing else."""

import hashlib
import hmac
import json
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from app import webhooks
from dropslot import Reject, Request, RetryLater

BODY = json.dumps({"action": "opened", "repository": {"full_name": "octo/\u00fcber"}}, ensure_ascii=False)
SECRET = "a secret"


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A secret in the environment, read anew by each test."""
    monkeypatch.setenv("WEBHOOK_SECRET", SECRET)
    monkeypatch.delenv("WEBHOOK_SECRET_ARN", raising=False)
    webhooks._secret.cache_clear()
    yield
    webhooks._secret.cache_clear()


def webhook(body: str = BODY, *, signed_with: str = SECRET, **headers: str) -> Request:
    """Return a webhook as GitHub would send it."""
    signature = hmac.new(signed_with.encode(), body.encode(), hashlib.sha256).hexdigest()
    return Request(
        id="1",
        type="webhooks",
        body=body,
        content_type="application/json",
        headers={"X-GitHub-Event": "issues", "X-Hub-Signature-256": f"sha256={signature}", **headers},
        accepted_at=datetime(2026, 1, 1, tzinfo=UTC),
        attempt=0,
    )


def test_what_github_signed_is_taken() -> None:
    """The signature is over the bytes that were sent."""
    assert webhooks.handle(webhook()) == {"event": "issues", "action": "opened", "repository": "octo/\u00fcber"}


@pytest.mark.parametrize(
    "forged",
    [
        webhook(signed_with="another secret"),
        webhook(**{"X-Hub-Signature-256": ""}),
        webhook(**{"X-Hub-Signature-256": "sha256=\u00e9"}),
    ],
    ids=["other-secret", "none", "not-ascii"],
)
def test_anything_else_is_rejected(forged: Request) -> None:
    """Anybody may send to an open type."""
    with pytest.raises(Reject, match="signature"):
        webhooks.handle(forged)


def test_without_a_secret_webhooks_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither believed nor lost: they go through once somebody sets it."""
    monkeypatch.delenv("WEBHOOK_SECRET")
    with pytest.raises(RetryLater, match="WEBHOOK_SECRET"):
        webhooks.handle(webhook())
