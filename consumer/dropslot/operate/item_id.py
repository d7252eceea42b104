"""From the id that a client knows to the key of the item."""

from dropslot.core import names
from dropslot.core.errors import ConfigurationError


def resolve(text: str, *, type_name: str | None, caller: str | None) -> str:
    """Return the key of an item.

    Args:
        text: the key itself (``caller#type#id``, as `dropslot requests list` shows it), or the id that the client has.
        type_name: the type it came in by; a client's id needs it.
        caller: what the API put before it; None where the API doesn't ask who calls.

    Raises:
        ConfigurationError: the type is missing, or no item can have this id, or it was meant as an option.
    """
    if text.startswith("--"):
        raise ConfigurationError(f"there is no option {text}; if it is an id, give it whole: caller#type#id")
    if names.ID_SEPARATOR in text:
        key = text
    elif type_name is None:
        raise ConfigurationError(
            f"{text!r} is a client's id: give its --type, too (and --caller, if the API asks who calls), "
            "or the whole id as `dropslot requests list` shows it"
        )
    else:
        key = names.item_id(caller if caller is not None else names.NO_CALLER, type_name, text)
    if not names.can_be_id(key):
        raise ConfigurationError("an id has 1 to 2048 bytes")
    return key
