"""What happens to a GitHub webhook. Here: note which event it was and about which repository."""

from dropslot import Reject, Request


def handle(request: Request) -> dict[str, str | None]:
    """Return what the webhook is about; its signature is the place to start when this goes to production."""
    event = request.headers.get("X-GitHub-Event")
    if event is None:
        raise Reject("not a GitHub webhook: it has no X-GitHub-Event header")
    payload = request.json()
    repository = payload.get("repository") or {}
    return {"event": event, "action": payload.get("action"), "repository": repository.get("full_name")}
