"""The shipped shop: an order is done once, whatever crashes, or all of it is taken back."""

from collections.abc import Iterator
from typing import Any, Final

import pytest

from app import shop
from dropslot.core.journal import DONE, STUCK, UNDONE
from dropslot.core.policy import Done, Failed, Waiting
from tests.unit.app.shop_services import Services, serving
from tests.unit.app.workers import Crash, Workers

ID: Final = "-#purchases#one"
ORDER: Final = {"items": {"lamp": 2}, "card": "tok_visa", "address": "1 Main Street", "needed_by": "2026-12-24"}
STEPS: Final = ["reserve", "charge", "ship"]
#: What each step asks for, and what its undo does.
DOES: Final = {
    "POST reservations": "DELETE reservations",
    "POST charges": "POST charges/refunds",
    "POST parcels": "DELETE parcels",
}
DECLINED: Final = (402, {"message": "the card is declined"})
NOWHERE: Final = (422, {"message": "there is no such street"})


@pytest.fixture
def services(monkeypatch: pytest.MonkeyPatch) -> Iterator[Services]:
    """The services, and the handler set to use them."""
    services = Services()
    with serving(services) as url:
        for variable in ("STOCK_URL", "PAYMENTS_URL", "CARRIER_URL"):
            monkeypatch.setenv(variable, url)
        yield services


def order(**changes: Any) -> Workers:
    """Return an order that came in."""
    return Workers(shop.handle, ID, {**ORDER, **changes})


def test_an_order_is_reserved_charged_and_sent(services: Services) -> None:
    """Given services that do what they are asked, then the order is done, with a journal of its steps."""
    workers = order()
    assert workers.run() == Done('{"charge":"charges-1","parcel":"parcels-2","arrives":"2026-12-20"}')
    assert services.asked == dict.fromkeys(DOES, 1)
    assert [step.name for step in workers.journal.steps] == STEPS
    assert workers.journal.closed == DONE
    assert workers.calls == ["begin", "finish", "finish", "finish", "close_done"]


def test_what_a_service_is_asked_with_names_request_run_and_step(services: Services) -> None:
    """Given a step, then its key is another one than that of any other step, request or run."""
    order().run()
    assert services.keys == {
        "POST reservations": {f"{ID}#1764381600000#0#reserve"},
        "POST charges": {f"{ID}#1764381600000#0#charge"},
        "POST parcels": {f"{ID}#1764381600000#0#ship"},
    }


def test_a_declined_card_releases_the_goods(services: Services) -> None:
    """Given a card that is declined, then the order fails for that, and nothing is reserved any more."""
    services.refusals["POST charges"] = DECLINED
    workers = order()
    assert workers.run() == Failed("the card is declined")
    assert services.world == {}
    assert services.asked == {"POST reservations": 1, "POST charges": 1, "DELETE reservations": 1}
    assert services.keys["DELETE reservations"] == {f"{ID}#1764381600000#0#reserve#undo"}
    assert workers.journal.closed == UNDONE


def test_what_can_not_be_sent_is_refunded_and_released(services: Services) -> None:
    """Given a carrier that refuses for good, then the money is given back first, then the goods."""
    services.refusals["POST parcels"] = NOWHERE
    workers = order()
    assert workers.run() == Failed("there is no such street")
    assert services.world == {}
    assert list(services.asked)[-2:] == ["POST charges/refunds", "DELETE reservations"]
    assert "DELETE parcels" not in services.asked


def test_a_parcel_that_comes_too_late_is_recalled(services: Services) -> None:
    """Given that the handler itself refuses once all is done, then all of it is taken back, the last step first."""
    services.arrives = "2026-12-27"
    assert order().run() == Failed("it can't be there before 2026-12-27")
    assert services.world == {}
    assert list(services.asked)[-3:] == ["DELETE parcels", "POST charges/refunds", "DELETE reservations"]


def test_what_is_no_order_asks_nobody(services: Services) -> None:
    """Given a body that lacks the card, then it is rejected before the first step, without a journal."""
    workers = Workers(shop.handle, ID, {"items": {"lamp": 2}})
    assert workers.run() == Failed("not an order: Object missing required field `card`")
    assert services.asked == {}
    assert workers.calls == ["newest"]


def test_a_carrier_that_is_down_is_waited_for(services: Services) -> None:
    """Given a carrier that answers 503, then the order waits for it and goes on there: nothing before it runs again."""
    services.refusals["POST parcels"] = (503, {})
    workers = order()
    assert workers.run() == Waiting("HTTPError: HTTP Error 503: Service Unavailable", 5_000)
    assert services.asked == {"POST reservations": 1, "POST charges": 1, "POST parcels": 3}

    services.refusals.clear()
    assert isinstance(workers.run(), Done)
    assert services.asked == {"POST reservations": 1, "POST charges": 1, "POST parcels": 4}
    assert len(services.keys["POST parcels"]) == 1


def test_without_a_service_s_url_orders_wait(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a variable that somebody forgot, then no order fails for it."""
    monkeypatch.delenv("CARRIER_URL")
    workers = order()
    assert workers.run() == Waiting("CARRIER_URL is not set", 5_000)
    assert services.asked == {"POST reservations": 1, "POST charges": 1}


@pytest.mark.parametrize("calls", range(5))
def test_a_crash_anywhere_is_gone_on_from(services: Services, calls: int) -> None:
    """Given a worker that dies before the n-th write, then the next one goes on: only what was in flight runs twice."""
    workers = order()
    with pytest.raises(Crash):
        workers.run(calls=calls)
    assert isinstance(workers.run(), Done)
    assert sorted(services.world) == ["charges-1", "parcels-2", "reservations-0"]
    twice = {what for what, times in services.asked.items() if times == 2}
    assert twice == ({list(DOES)[calls - 1]} if 1 <= calls <= 3 else set())
    assert set(services.asked.values()) <= {1, 2}
    assert all(len(keys) == 1 for keys in services.keys.values())


@pytest.mark.parametrize("calls", range(4, 7))
def test_a_crash_while_it_is_undone_is_gone_on_from(services: Services, calls: int) -> None:
    """Given a worker that dies while it undoes, then the next one undoes the rest, and doesn't go forward again."""
    services.refusals["POST parcels"] = NOWHERE
    workers = order()
    with pytest.raises(Crash):
        workers.run(calls=calls)
    services.refusals.clear()  # it would go through now
    assert workers.run() == Failed("there is no such street")
    assert workers.calls == ["begin", "finish", "finish", "turn", *workers.calls[4:]]
    assert services.world == {}
    assert services.asked["POST parcels"] == 1
    assert workers.journal.closed == UNDONE


def test_what_can_not_be_given_back_is_listed(services: Services) -> None:
    """Given a refund that is refused, then the goods are released all the same, and the error tells what is left."""
    services.refusals |= {"POST parcels": NOWHERE, "POST charges/refunds": (422, {"message": "the account is closed"})}
    workers = order()
    assert workers.run() == Failed("there is no such street; not undone: charge (Reject: the account is closed)")
    assert list(services.world) == ["charges-1"]
    assert workers.journal.closed == STUCK

    # As `dropslot retry --undo` does: another attempt, which only undoes.
    services.refusals.clear()
    assert workers.run() == Failed("there is no such street")
    assert services.world == {}
    assert services.asked["DELETE reservations"] == 1
    assert workers.journal.closed == UNDONE


def test_what_is_not_there_any_more_is_taken_back(services: Services) -> None:
    """Given a reservation that has lapsed meanwhile, then there is nothing to release, and nothing is left."""
    services.refusals |= {"POST charges": DECLINED, "DELETE reservations": (404, {"message": "no such reservation"})}
    workers = order()
    assert workers.run() == Failed("the card is declined")
    assert workers.journal.closed == UNDONE


def test_a_charge_that_is_still_under_way_is_waited_for(services: Services) -> None:
    """Given payments that are still at the call of a worker that died, then the order waits, and nothing is undone."""
    services.refusals["POST charges"] = (409, {"message": "this key is in use"})
    workers = order()
    assert workers.run() == Waiting("PAYMENTS_URL: the call before is still under way", 5_000)
    services.refusals.clear()
    assert isinstance(workers.run(), Done)
    assert services.asked["DELETE reservations"] == 0


def test_a_refund_that_is_not_answered_is_waited_for(services: Services) -> None:
    """Given payments that are down while the order is undone, then it waits for them, and goes on with that refund."""
    services.refusals |= {"POST parcels": NOWHERE, "POST charges/refunds": (503, {})}
    workers = order()
    waiting = Waiting("undo: HTTPError: HTTP Error 503: Service Unavailable", 5_000, counts=False)
    assert workers.run() == waiting
    assert services.asked["POST charges/refunds"] == 5  # by the step's own policy

    services.refusals.clear()
    assert workers.run() == Failed("there is no such street")
    assert services.world == {}
    assert services.asked["POST parcels"] == 1
