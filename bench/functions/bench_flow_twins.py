"""The flow over the tables' twins in memory. A request is named by its change record."""

import json

from bench_flow import expected, serve  # type: ignore[import-not-found]  # beside it, where it runs
from bench_twins import Twins, backoff, clock, counters, settings  # type: ignore[import-not-found]  # as above

from dropslot.adapters.journal.memory import MemoryJournal
from dropslot.engine.steps.stepping import StepOptions, Stepping

options = StepOptions(lease_ms=30_000, limit_seconds=settings.handler_timeout_seconds)
stepping = Stepping(MemoryJournal(), clock=clock, counters=counters, backoff=backoff, options=options)
twins = Twins({"stepping": stepping})


def check(named: list[str]) -> None:
    """See what the flows came to."""
    items = twins.items()
    assert len(items) == len(named)
    for item in items:
        assert json.loads(item["result"]["S"]) == expected(json.loads(item["request"]["S"])), item


serve(twins.run, before=twins.put, after=check)
twins.close()
