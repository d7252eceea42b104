"""What happens to an order of a shop: goods are reserved, a card is charged, a parcel is sent; or all is taken back."""

import json
import os
import urllib.request
from dataclasses import dataclass
from typing import Final
from urllib.error import HTTPError

import msgspec

from dropslot import Reject, Request, RetryLater, StepPolicy, Steps, step_key

#: What the services answer to what can never succeed: no money, an address that isn't one.
_REFUSED: Final = frozenset((402, 422))
#: The call before, with this key, is still under way there: what came of it will be told later.
_UNDER_WAY: Final = 409
#: What is to be taken back isn't there any more.
_GONE: Final = frozenset((404, 410))
_TIMEOUT_SECONDS: Final = 10


@dataclass(frozen=True, slots=True)
class Order:
    """What a customer sends.

    Args:
        items: how many of what.
        card: a token for the card.
        address: where to.
        needed_by: a date, ISO 8601.
    """

    items: dict[str, int]
    card: str
    address: str
    needed_by: str


@dataclass(frozen=True, slots=True)
class Reservation:
    """Goods set aside."""

    id: str
    cents: int


@dataclass(frozen=True, slots=True)
class Charge:
    """Money taken."""

    id: str


@dataclass(frozen=True, slots=True)
class Parcel:
    """A parcel on its way, and when it arrives."""

    id: str
    arrives: str


def handle(request: Request, steps: Steps) -> dict[str, str]:
    """Do what an order takes, each step once; if one can't be done, undo those before it."""
    try:
        order = msgspec.convert(request.json(), Order)
    except msgspec.ValidationError as wrong:
        raise Reject(f"not an order: {wrong}") from None
    reservation = steps.run("reserve", reserve, order, undo=release)
    charge = steps.run("charge", take_payment, order, reservation, undo=refund, policy=StepPolicy(tries=5))
    parcel = steps.run("ship", ship, order, reservation, undo=recall)
    if parcel.arrives > order.needed_by:
        raise Reject(f"it can't be there before {parcel.arrives}")
    return {"charge": charge.id, "parcel": parcel.id, "arrives": parcel.arrives}


def reserve(order: Order) -> Reservation:
    """Set the goods aside."""
    answer = _call("POST", "STOCK_URL", "/reservations", items=order.items)
    return msgspec.json.decode(answer, type=Reservation)


def release(reservation: Reservation, _: Order) -> None:
    """Put the goods back."""
    _take_back("DELETE", "STOCK_URL", f"/reservations/{reservation.id}")


def take_payment(order: Order, reservation: Reservation) -> Charge:
    """Take the money."""
    answer = _call("POST", "PAYMENTS_URL", "/charges", card=order.card, cents=reservation.cents)
    return msgspec.json.decode(answer, type=Charge)


def refund(charge: Charge, _: Order, reservation: Reservation) -> None:
    """Give the money back."""
    _take_back("POST", "PAYMENTS_URL", f"/charges/{charge.id}/refunds", cents=reservation.cents)


def ship(order: Order, reservation: Reservation) -> Parcel:
    """Send the goods."""
    answer = _call("POST", "CARRIER_URL", "/parcels", address=order.address, goods=reservation.id)
    return msgspec.json.decode(answer, type=Parcel)


def recall(parcel: Parcel, *_: object) -> None:
    """Have the parcel come back."""
    _take_back("DELETE", "CARRIER_URL", f"/parcels/{parcel.id}")


def _take_back(method: str, service: str, path: str, **body: object) -> None:
    """Call a service to take something back: done if nothing of it is there any more."""
    try:
        _call(method, service, path, **body)
    except HTTPError as refusal:
        if refusal.code not in _GONE:
            raise


def _call(method: str, service: str, path: str, **body: object) -> bytes:
    """Call a service, which does one thing once however often it is asked: the key tells it what is the same.

    Args:
        method: the HTTP method.
        service: variable with the service's URL.
        path: below that URL.
        body: sent as JSON.

    Returns:
        The answer.

    Raises:
        Reject: the service says that this can't be done, now or later.
        RetryLater: it is still at it.
        OSError: it didn't answer, or with something else; 5xx and time-outs are known to pass.
    """
    url = os.environ.get(service)
    if url is None:
        raise RetryLater(f"{service} is not set")  # not the order's fault
    headers = {"Content-Type": "application/json", "Idempotency-Key": step_key()}
    call = urllib.request.Request(url + path, json.dumps(body).encode(), headers, method=method)  # noqa: S310 - ours
    try:
        with urllib.request.urlopen(call, timeout=_TIMEOUT_SECONDS) as answer:  # noqa: S310 - as above
            return bytes(answer.read())
    except HTTPError as refusal:
        with refusal:
            if refusal.code == _UNDER_WAY:
                raise RetryLater(f"{service}: the call before is still under way") from None
            if refusal.code not in _REFUSED:
                raise
            raise Reject(json.load(refusal)["message"]) from None
