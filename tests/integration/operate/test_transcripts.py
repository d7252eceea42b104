"""What operators read, command by command, kept as files."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import pytest

from dropslot.core import names
from tests.integration.operate.operator import Operator, interrupted, run
from tests.unit.core.images import ACCEPTED_AT_MS, Image, image

CLOSED: Final = "KitchenClosed: opens at 18:00"


def _requests() -> list[Image]:
    """Return an afternoon's requests."""

    def one(key: str, minute: int, status: str, **attributes: str | int) -> Image:
        at = ACCEPTED_AT_MS + minute * 60_000
        given: dict[str, str | int] = {
            "accepted_at": at,
            "due_at": at + 1_500,
            "status": f"{status}-{names.SPREAD_DIGITS[minute % 16]}",
        }
        return image(f"-#orders#{key}", **{**given, **attributes})

    return [
        one("order-1", 0, "failed", error=CLOSED),
        one("order-2", 1, "failed", error=CLOSED, attempt=1),
        one("order-3", 2, "failed", error="KeyError: 'dish'"),
        one("order-4", 3, "waiting", last_error="TimeoutError", attempt=2, tries=2, due_at=ACCEPTED_AT_MS + 900_000),
        one("order-5", 4, "pending"),
        one("order-6", 5, "done", ttl=ACCEPTED_AT_MS // 1000 + 86_400, result='{"ticket": 7}'),
    ]


ORDERS: Final = ("--type", "orders")
#: Commands by transcript; those of one file are run one after the other.
AT_A_STACK: Final[dict[str, Sequence[Sequence[str]]]] = {
    "requests-list": (
        ("requests", "list"),
        ("requests", "list", "--status", "failed", "--limit", "1"),
        ("requests", "list", "--type", "notes"),
        ("requests", "list", "--status", "waiting", "--json"),
        ("requests", "list", "--status", "done"),
        ("requests", "list", "--older-than", "soon"),
    ),
    "requests-show": (
        ("requests", "show", "order-4", *ORDERS),
        ("requests", "show", "-#orders#order-6", "--body"),
        ("requests", "show", "order-2", *ORDERS, "--json"),
        ("requests", "show", "order-9", *ORDERS),
        ("requests", "show", "order-1"),
    ),
    "requests-count": (
        ("requests", "count"),
        ("requests", "count", "--scan"),
        ("requests", "count", "--json"),
    ),
    "requests-export": (
        ("requests", "export", "--status", "failed"),
        ("requests", "export", "--status", "waiting", "--payload"),
        ("requests", "export", "--scan", "--status", "failed"),
    ),
    "requests-delete": (
        ("requests", "delete", "order-5", *ORDERS),
        ("requests", "delete", "order-5", "order-6", *ORDERS, "--yes"),
        ("requests", "delete", "order-5", *ORDERS, "--yes"),
    ),
    "retry": (
        ("retry", "--all", "--dry-run"),
        ("retry", "--error", "KitchenClosed: *18:00"),
        ("retry", "--error", "KitchenClosed: *18:00", "--yes"),
        ("retry", "--error", "KitchenClosed: *18:00", "--dry-run"),
        ("retry", "order-3", "order-6", "order-9", *ORDERS, "--yes"),
        ("retry", "--all", "--yes", "--json"),
        ("retry",),
    ),
}
AWAY: Final[dict[str, Sequence[Sequence[str]]]] = {
    "where": (
        ("requests", "count"),
        ("requests", "count", "--local"),
        ("requests", "count", "--local", "--stack", "shop"),
        ("requests", "count", "--stack", "shop"),
        ("requests", "count", "--stack", "shop", "--profile", "on-call"),
        ("requests", "count", "--stack", "shop", "--region", "eu-central-1"),
    ),
}


@pytest.mark.parametrize("name", AT_A_STACK)
def test_what_a_command_says(name: str, operator: Operator, compare: Callable[[str, str], None]) -> None:
    """Given a table with requests of every status, each command says what it is known to say."""
    operator.put(*_requests())
    compare(name, "\n".join(operator.transcript(words) for words in AT_A_STACK[name]))


def test_what_a_retry_says_that_is_stopped(operator: Operator, compare: Callable[[str, str], None]) -> None:
    """Given Ctrl-C after the first of three, it says what is done, and the same command does the rest."""
    operator.put(*_requests())
    words = ("retry", "--all", "--yes")
    # After each it waits for its rate: long enough to be stopped there.
    slowly = (*words, "--rate", "0.1")
    stopped = operator.transcript(slowly, interrupted(*slowly, when=lambda: _failed(operator) < 3))
    compare("retry-stopped", f"{stopped}\n{operator.transcript(words)}")


def _failed(operator: Operator) -> int:
    return sum(item["status"]["S"].startswith(names.FAILED) for item in operator.items().values())


@pytest.mark.parametrize("name", AWAY)
@pytest.mark.usefixtures("no_aws")
def test_what_a_command_says_that_finds_nothing(name: str, compare: Callable[[str, str], None]) -> None:
    """Given no local stack and nothing of AWS, each command says what to do about it."""
    transcripts = []
    for words in AWAY[name]:
        outcome = run(*words)
        text = outcome.all.replace(str(Path.cwd()), "/home/ada/shop")
        transcripts.append(f"$ dropslot {' '.join(words)}\n{text}[exit code {outcome.code}]\n")
    compare(name, "\n".join(transcripts))


def test_a_missing_table_is_told(
    operator: Operator, monkeypatch: pytest.MonkeyPatch, compare: Callable[[str, str], None]
) -> None:
    """Given credentials, and a stack that nobody deployed, the sentence names table and region."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", operator.client.meta.endpoint_url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    words = ("retry", "--all", "--stack", "shop")
    compare("missing-table", operator.transcript(words))
