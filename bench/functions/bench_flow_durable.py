"""The flow as a durable function of Lambda, in the local runner. A flow is named by `[execution name, order]`."""

import json
from typing import Any

# In an environment of its own; bench_flow beside it, where it runs.
from aws_durable_execution_sdk_python.execution import (  # type: ignore[import-not-found]
    InvocationStatus,
    durable_execution,
)
from aws_durable_execution_sdk_python_testing.runner import (  # type: ignore[import-not-found]
    DurableFunctionTestRunner,
)
from bench_flow import STEPS, expected, serve, work  # type: ignore[import-not-found]


def _flow(order: dict[str, Any], context: Any) -> list[dict[str, Any]]:
    return [context.step(lambda _, name=name: work(name, order), name=name) for name in STEPS]


def run(flows: list[str], at_once: bool) -> None:  # noqa: FBT001 - as `serve` has it
    """Run flows: each waited for in the first case, all started in the second."""
    started = []
    for named in flows:
        name, order = json.loads(named)
        started.append((runner.run_async(input=json.dumps(order), execution_name=name), order))
        if not at_once:
            _wait_for(*started.pop())
    for execution, order in started:
        _wait_for(execution, order)


def _wait_for(execution: str, order: dict[str, Any]) -> None:
    ended = runner.wait_for_result(execution)
    assert ended.status is InvocationStatus.SUCCEEDED, ended
    assert json.loads(ended.result) == expected(order)


with DurableFunctionTestRunner(handler=durable_execution(_flow)) as runner:
    serve(run)
