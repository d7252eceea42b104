"""The user's side of the recording: a handler that does what the request's body says, in steps if it says so."""

from dropslot import Reject, Request, RetryLater, Steps
from tests.integration.lambda_ import handlers


def handle(request: Request, steps: Steps) -> dict[str, object]:
    """Finish two steps, at once or at the second attempt, or have one undone, or do as the handler without steps."""
    wish = request.json()["do"]
    if wish not in {"steps", "resume", "undo"}:
        return handlers.handle(request)
    steps.run("reserve", _work, undo=_take_back)
    if wish == "undo":
        raise Reject("as you wish")
    if wish == "resume" and request.attempt == 0:
        raise RetryLater(after_seconds=0)
    steps.run("charge", _work)
    return {"did": wish}


def _work() -> str:
    return "done"


def _take_back(result: str) -> None:
    assert result == "done"
