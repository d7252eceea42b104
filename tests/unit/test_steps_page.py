"""The page about steps says what the code does: its first handler runs, and its limits are the code's."""

import re
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, Final

import pytest

from dropslot import Request, StepPolicy, step_key
from dropslot.core.journal import UNDONE
from dropslot.core.policy import Done, Failed
from dropslot.engine.handler import load_handler
from dropslot.engine.steps.plan import NAME_MAX_CHARS
from dropslot.engine.steps.results import RESULT_MAX_BYTES
from dropslot.engine.steps.session import RESULTS_MAX_BYTES, STEPS_MAX
from dropslot.settings import Settings
from tests.unit.app.workers import Workers

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = (ROOT / "docs" / "steps.md").read_text(encoding="utf-8")
ID: Final = "-#orders#one"


class Shop:
    """What the page's handler calls."""

    def __init__(self, *, ships: bool) -> None:
        self.ships = ships
        self.calls: list[str] = []

    def names(self) -> dict[str, Any]:
        """Return the names that the page's code uses without defining them."""
        return {
            "reserve": lambda order: self.called("reserve", {"id": "r1", "cents": 4200}),
            "release": lambda reservation, order: self.called(f"release {reservation['id']}"),
            "ship": lambda order, reservation: self.ship(),
            "recall": lambda parcel, order, reservation: self.called(f"recall {parcel['id']}"),
            "payments": SimpleNamespace(
                charge=lambda card, cents, *, idempotency_key: self.called(f"charge {cents}", {"id": "c1"}),
                refund=lambda charge_id, *, idempotency_key: self.called(f"refund {charge_id}"),
            ),
        }

    def called(self, call: str, result: object = None) -> object:
        """Note a call."""
        assert step_key().startswith(f"{ID}#")
        self.calls.append(call)
        return result

    def ship(self) -> object:
        """Ship it, or not."""
        if not self.ships:
            raise ValueError("no such street")
        return self.called("ship", {"id": "p1"})


def first_handler(shop: Shop) -> Workers:
    """Return the page's first handler at work on an order."""
    code = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert code is not None
    page: dict[str, Any] = shop.names()
    exec(code[1], page)
    return Workers(page["handle"], ID, {"card": "tok_visa"})


def test_the_first_handler_does_what_is_said_of_it() -> None:
    """Given the page's first example, then it runs as it stands there."""
    shop = Shop(ships=True)
    assert first_handler(shop).run() == Done('{"charge":"c1","parcel":"p1"}')
    assert shop.calls == ["reserve", "charge 4200", "ship"]


def test_the_first_handler_takes_back_what_it_has_done() -> None:
    """Given that it can't be shipped, then it is undone, by the functions of the page."""
    shop = Shop(ships=False)
    workers = first_handler(shop)
    assert workers.run() == Failed("ValueError: no such street")
    assert shop.calls == ["reserve", "charge 4200", "refund c1", "release r1"]
    assert workers.journal.closed == UNDONE


def test_the_page_s_test_of_a_handler_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given the page's example of a test, then it passes with the page's first handler."""
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    shop = {
        **Shop(ships=True).names(),
        "reserve": lambda order: {"id": "r1", "cents": 4200},
        "ship": lambda *_: {"id": "p1"},
    }
    shop["payments"].charge = lambda *_, idempotency_key: {"id": "c1"} if idempotency_key == "key" else None
    orders = ModuleType("orders")
    vars(orders).update(shop)
    exec(blocks[0], vars(orders))
    page: dict[str, Any] = {"orders": orders, "Request": Request, "datetime": datetime, "UTC": UTC}
    (test,) = (block for block in blocks if "def test_" in block)
    exec(test, page)
    page["test_an_order"](monkeypatch)


@pytest.mark.parametrize(
    "said",
    [
        f"({RESULT_MAX_BYTES:,} bytes of JSON)",
        f"{RESULTS_MAX_BYTES:,} bytes, and there may be {STEPS_MAX} steps",
        f"1 to {NAME_MAX_CHARS} printable characters",
        f"`StepPolicy(tries={StepPolicy().tries}, pauses_seconds={StepPolicy().pauses_seconds})`",
        f"`DROPSLOT_STEP_LEASE_SECONDS` ({Settings.from_env({}).step_lease_seconds:g})",
        f"time limit ({Settings.from_env({}).handler_timeout_seconds:g} s)",
    ],
)
def test_the_limits_are_the_code_s(said: str) -> None:
    """Given a number of the page, then it is the one that holds."""
    assert said in PAGE


def test_the_shipped_shop_is_a_handler_with_steps() -> None:
    """Given the example that the page points to, then a consumer can be set to it."""
    assert "(../app/shop.py)" in PAGE
    assert load_handler("app.shop:handle").takes_steps


def test_what_the_page_points_to_is_there() -> None:
    """Given its links to files, then none is dead."""
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", PAGE)
    assert links
    assert [link for link in links if not (ROOT / "docs" / link).exists()] == []
