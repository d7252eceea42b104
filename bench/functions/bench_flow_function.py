"""The function behind the stream's mapping. Invocations are named by their events."""

import json

from bench_flow import serve  # type: ignore[import-not-found]  # beside it, where it runs

import dropslot_stream


class Context:
    """What Lambda tells of an invocation."""

    def get_remaining_time_in_millis(self) -> int:
        """Return what the function's time-out leaves."""
        return 300_000


def run(named: list[str], at_once: bool) -> None:  # noqa: ARG001, FBT001 - as `serve` has it; what is at once is one event
    """Invoke it with each event."""
    for event in named:
        answer = dropslot_stream.handler(json.loads(event), Context())
        assert answer == {"batchItemFailures": []}, answer


if __name__ == "__main__":
    serve(run)
