"""An error that DynamoDB answers a call with, whoever has sent it."""

from collections.abc import Mapping
from typing import Any

from dropslot.core.errors import TransientError


class ServiceError(TransientError):
    """DynamoDB answered a call as a whole with an error.

    Everything that isn't about one item (throttling, a missing table or permission, a fault of the service) keeps the
    request open: an operator can mend it, and nothing is lost meanwhile.

    Args:
        operation: what was called.
        table: on which table.
        code: DynamoDB's name of the error.
        item: what was there instead, where a call whose condition fails asks to be told.
        message: what DynamoDB says beside the code, for what only that tells apart.
    """

    def __init__(
        self, operation: str, table: str, code: str, *, item: Mapping[str, Any] | None = None, message: str = ""
    ) -> None:
        super().__init__(f"{operation} on table {table}: {code}")
        self.code = code
        self.item = item
        self.message = message
