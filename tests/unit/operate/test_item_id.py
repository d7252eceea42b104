"""From a client's id to the item."""

import pytest

from dropslot.core.errors import ConfigurationError
from dropslot.operate.item_id import resolve


@pytest.mark.parametrize(
    ("text", "type_name", "caller", "key"),
    [
        ("order-1", "orders", None, "-#orders#order-1"),
        ("order-1", "orders", "AROAX", "AROAX#orders#order-1"),
        ("-#orders#order-1", None, None, "-#orders#order-1"),
        ("AROAX#orders#order-1", "notes", "other", "AROAX#orders#order-1"),
        ("-order", "orders", None, "-#orders#-order"),
    ],
)
def test_a_whole_id_is_the_key_and_a_clients_id_part_of_it(
    text: str, type_name: str | None, caller: str | None, key: str
) -> None:
    """Given an id, its key is what the API wrote."""
    assert resolve(text, type_name=type_name, caller=caller) == key


@pytest.mark.parametrize(
    ("text", "says"), [("order-1", "give its --type"), ("--yess", "no option --yess"), ("#" * 2049, "1 to 2048 bytes")]
)
def test_what_can_be_no_id_is_explained(text: str, says: str) -> None:
    """Given a client's id alone, or a mistyped option, nothing is guessed."""
    with pytest.raises(ConfigurationError, match=says):
        resolve(text, type_name=None, caller=None)
