"""The flow as a DBOS workflow; its argument is the URL of the system database. A flow is named by `[id, order]`."""

import json
import sys
from typing import Any

from bench_flow import STEPS, expected, serve, work  # type: ignore[import-not-found]  # beside it, where it runs
from dbos import DBOS, SetWorkflowID  # type: ignore[import-not-found]  # in an environment of its own

DBOS(config={"name": "bench", "system_database_url": sys.argv[1], "log_level": "ERROR"})
step = DBOS.step()(work)


def _flow(order: dict[str, Any]) -> list[dict[str, Any]]:
    return [step(name, order) for name in STEPS]


flow = DBOS.workflow()(_flow)


def run(flows: list[str], at_once: bool) -> None:  # noqa: FBT001 - as `serve` has it
    """Run flows: called in the first case, started in its threads in the second."""
    handles = []
    for named in flows:
        workflow_id, order = json.loads(named)
        with SetWorkflowID(workflow_id):
            if at_once:
                handles.append((DBOS.start_workflow(flow, order), order))
            else:
                assert flow(order) == expected(order)
    for handle, order in handles:
        assert handle.get_result() == expected(order)


DBOS.launch()
serve(run)
DBOS.destroy()
