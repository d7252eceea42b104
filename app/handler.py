"""What happens to an order of the restaurant. Replace this with your own business logic."""

from typing import Any

from dropslot import Reject, Request

PRICE_CENTS = {"margherita": 950, "funghi": 1100, "quattro stagioni": 1250, "tiramisu": 550}


def handle(request: Request) -> dict[str, Any]:
    """Price an order and promise a time; reject what the kitchen can't make."""
    items = request.json()["items"]
    if not items:
        raise Reject("the order is empty")
    for item in items:
        if item["dish"] not in PRICE_CENTS:
            raise Reject(f"{item['dish']!r} is not on the menu")
    return {
        "total_cents": sum(PRICE_CENTS[item["dish"]] * item["quantity"] for item in items),
        "ready_in_minutes": 10 + 2 * sum(item["quantity"] for item in items),
    }
