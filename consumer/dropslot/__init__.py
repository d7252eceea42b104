"""Dropslot: durable fire-and-forget request processing on AWS."""

from dropslot.core.errors import Reject, RetryLater
from dropslot.core.request import Request

__all__ = ["Reject", "Request", "RetryLater"]
