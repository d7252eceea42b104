"""The handler of the crowd's requests."""

from dropslot import Request


def echo(request: Request) -> dict[str, str]:
    """Return what was sent."""
    return {"echo": str(request.json()["name"])}
