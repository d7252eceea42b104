"""Text that fits: cutting what users and libraries say to what an item can hold."""

from typing import Final


def cut(text: str, max_bytes: int) -> str:
    """Cut text to a number of UTF-8 bytes, at a character; what UTF-8 can't hold becomes ``?``."""
    encoded = text.encode("utf-8", "replace")
    if len(encoded) <= max_bytes:
        return encoded.decode()
    room = max_bytes - len(_ELLIPSIS.encode())
    if room < 0:
        return encoded[:max_bytes].decode("utf-8", "ignore")
    return encoded[:room].decode("utf-8", "ignore") + _ELLIPSIS


_ELLIPSIS: Final = "…"
