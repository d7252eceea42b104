"""What operators read about requests with steps, command by command, kept as files."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import pytest

from dropslot.core import names
from tests.integration.operate import journals
from tests.integration.operate.aws import STACK, Account, arn
from tests.integration.operate.journals import ERROR, STUCK_ERROR, run_of, step, stuck, undone
from tests.integration.operate.operator import Operator, run
from tests.unit.core.images import ACCEPTED_AT_MS, image

ORDERS: Final = ("--type", "orders")
#: Commands by transcript; those of one file are run one after the other.
TRANSCRIPTS: Final[dict[str, Sequence[Sequence[str]]]] = {
    "requests-show-steps": (
        ("requests", "show", "order-1", *ORDERS),
        ("requests", "show", "order-2", *ORDERS, "--body"),
        ("requests", "show", "order-3", *ORDERS),
        ("requests", "show", "order-4", *ORDERS),
        ("requests", "show", "order-4", *ORDERS, "--json"),
        ("requests", "show", "order-7", *ORDERS),
    ),
    "retry-undo": (
        ("retry", "--all", "--dry-run"),
        ("retry", "--undo", "--all", "--dry-run"),
        ("retry", "--undo", "--all", "--dry-run", "--json"),
        ("retry", "--undo", "--all"),
        ("retry", "--undo", "order-1", "order-3", "order-9", *ORDERS, "--yes"),
        ("retry", "--undo", "order-5", *ORDERS, "--yes", "--json"),
        ("retry", "--undo", "--error", "KeyError", "--yes"),
        ("retry", "order-6", *ORDERS, "--yes"),
        ("retry", "--undo"),
    ),
}


@pytest.fixture
def shop(operator: Operator) -> Operator:
    """A shop with an order of each kind.

    1 was undone, run anew and is stuck; 2 is done; 3 waits, half-way; 4 is being undone; 5 only says that it is stuck,
    6 is stuck; 7 failed, and nothing of it is undone.
    """
    ids = {number: f"-#orders#order-{number}" for number in range(1, 8)}
    at = {names.DUE_AT: ACCEPTED_AT_MS + 5_000}
    operator.put(
        image(ids[1], status="failed-1", error=STUCK_ERROR, attempt=3, rerun=1, **at),
        image(ids[2], status="done-2", ttl=ACCEPTED_AT_MS // 1000 + 86_400, result='{"parcel":7}', **at),
        image(ids[3], status="waiting-3", last_error="TimeoutError: the carrier", attempt=1, tries=1, **at),
        image(ids[4], status="pending-4", last_error="undo: TimeoutError: the bank", attempt=2, **at),
        *(image(ids[number], status=f"failed-{number}", error=STUCK_ERROR, **at) for number in (5, 6)),
        image(ids[7], status="failed-7", error="KeyError: 'address'", **at),
    )
    reserved, charged = step("reserve", '{"reservation":1}', 1), step("charge", '{"charge":2}', 2)
    taken_back = step("reserve", '{"reservation":1}', 1, undone_at=ACCEPTED_AT_MS + 3_000)
    held: dict[str, Any] = {"owner": "a1", "lease_until": ACCEPTED_AT_MS + 40_000}
    under_way = {"undoing": 1, "error": ERROR, "undo_tries": 1, "attempt": 2, **held}
    journals.put(
        operator,
        undone(ids[1], taken_back, step("greet", "null", 2)),
        stuck(ids[1], run=1, began=1, attempt=3, undo_tries=2),
        run_of(ids[2], reserved, charged, closed="done", closed_by="a1", result='{"parcel":7}'),
        run_of(ids[3], reserved, charged, attempt=1),
        run_of(
            ids[4],
            *(reserved, step("charge", '{"charge":2}', 2, undone_at=ACCEPTED_AT_MS + 4_000)),
            **under_way,
        ),
        undone(ids[5], taken_back),
        stuck(ids[6]),
        run_of(ids[7], reserved, closed="failed", closed_by="a1", error="KeyError: 'address'"),
    )
    return operator


@pytest.mark.parametrize("name", TRANSCRIPTS)
def test_what_a_command_says_about_steps(name: str, shop: Operator, compare: Callable[[str, str], None]) -> None:
    """Given requests with and without steps, each command says what it is known to say."""
    compare(name, "\n".join(shop.transcript(words) for words in TRANSCRIPTS[name]))


def test_what_a_retry_says_that_may_not_look(on_aws: pytest.MonkeyPatch, compare: Callable[[str, str], None]) -> None:
    """Given an operator who may not read journals, nothing is done, and the sentence names what grants it."""
    words = ("retry", "--undo", "--all", "--yes", "--stack", STACK)
    with Account().running() as account:
        on_aws.setenv("AWS_ENDPOINT_URL", account.url)
        account.request["error"] = {"S": STUCK_ERROR}
        account.denied = {("dynamodb:Query", arn("dynamodb", f"table/{STACK}-journal"))}
        outcome = run(*words)
        assert not any(action == "dynamodb:PartiQLUpdate" for action, _ in account.calls)
    compare("retry-undo-denied", f"$ dropslot {' '.join(words)}\n{outcome.all}[exit code {outcome.code}]\n")
