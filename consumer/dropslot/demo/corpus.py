"""What the demonstration sends: every webhook of @octokit/webhooks-examples, and a restaurant's orders."""

import hashlib
import hmac
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dropslot.core import names
from dropslot.core.errors import ConfigurationError

PACKAGE: Final = Path("node_modules/@octokit/webhooks-examples")

#: What the demonstration's webhooks are signed with, in GitHub's place: no secret at all.
SIGNING_KEY: Final = "demonstration"

_GOOD_ORDERS: Final = 50
_BAD_ORDERS: Final = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A request to send, and how it must end.

    Args:
        type: path it is sent to.
        key: its idempotency key, sent in `key_header`.
        key_header: name of that header.
        headers: further headers.
        body: JSON text.
        expected: the status it must settle in.
        error: text its error must contain, "" for none.
    """

    type: str
    key: str
    key_header: str
    headers: dict[str, str]
    body: str
    expected: str
    error: str = ""


def load_corpus(root: Path) -> list[Sample]:
    """Return all samples.

    Args:
        root: the project's folder, with node_modules.

    Raises:
        ConfigurationError: the package isn't installed.
    """
    files = sorted((root / PACKAGE).glob("*/index.json"))
    if not files:
        raise ConfigurationError(f"{root / PACKAGE} is missing: run `make setup`")
    return [*(sample for file in files for sample in _webhooks(file)), *_orders()]


def _webhooks(file: Path) -> Iterator[Sample]:
    for event in json.loads(file.read_text(encoding="utf-8")):
        for number, payload in enumerate(event["examples"]):
            key = f"{file.parent.name}-{event['name']}-{number}"
            body = json.dumps(payload, ensure_ascii=False)
            signature = hmac.new(SIGNING_KEY.encode(), body.encode(), hashlib.sha256).hexdigest()
            yield Sample(
                type="webhooks",
                key=key,
                key_header="X-GitHub-Delivery",
                headers={"X-GitHub-Event": event["name"], "X-Hub-Signature-256": f"sha256={signature}"},
                body=body,
                expected=names.DONE,
            )


def _orders() -> Iterator[Sample]:
    dishes = ("margherita", "funghi", "quattro stagioni", "tiramisu")
    for number in range(_GOOD_ORDERS + _BAD_ORDERS):
        good = number < _GOOD_ORDERS
        dish = dishes[number % len(dishes)] if good else "fugu"
        yield Sample(
            type="orders",
            key=f"order-{number}",
            key_header="Idempotency-Key",
            headers={},
            body=json.dumps({"restaurant": "Da Enzo", "items": [{"dish": dish, "quantity": number % 3 + 1}]}),
            expected=names.DONE if good else names.FAILED,
            error="" if good else "not on the menu",
        )
