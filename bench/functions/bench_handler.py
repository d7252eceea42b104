"""The handler that Dropslot's function calls: it reads the body and does nothing with it."""

from dropslot import Request


def handle(request: Request) -> None:
    """Read the body."""
    request.json()
