"""The flow as a handler with steps."""

from typing import Any

from bench_flow import STEPS, work  # type: ignore[import-not-found]  # beside it, where it runs

from dropslot import Request, Steps


def handle(request: Request, steps: Steps) -> list[dict[str, Any]]:
    """Run the flow."""
    order = request.json()
    return [steps.run(name, work, name, order) for name in STEPS]
