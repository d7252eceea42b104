"""A request as it came in."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """A request as it came in.

    Args:
        method: in upper case.
        path: as sent, percent-encoded.
        raw_query: what follows the question mark, as sent.
        query: the same, decoded.
        headers: name to value.
        body: None when it was too large to be read.
        source_ip: address of the client.
    """

    method: str
    path: str
    raw_query: str = ""
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes | None
    source_ip: str

    def header(self, name: str) -> str | None:
        """Return a header whatever the case of its name, as the HTTP layer itself looks at it."""
        return next((value for key, value in self.headers.items() if key.lower() == name), None)
