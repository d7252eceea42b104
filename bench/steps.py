"""Durable steps: one flow here, in DBOS and in Lambda's durable functions; what a step costs; and that none cost none.

Run `make bench-steps`, which installs the others; bench/README.md says what is counted.
"""

import os
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from rich.console import Console

from bench import calls, flows, plain
from bench.backend import running_backend
from bench.figures import print_figures
from bench.packages import ROOT
from dropslot.local.clients import REGION, local_environment

#: `make bench-steps` makes it, of requirements/bench.txt.
OTHERS_PYTHON: Final = ROOT / ".dropslot" / "bench" / "bin" / "python"

#: Files in this folder are held in memory.
_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - a folder of its own is made in it


def main() -> None:
    """Measure and print.

    Raises:
        SystemExit: what Dropslot is measured beside isn't installed.
    """
    if not OTHERS_PYTHON.exists():
        raise SystemExit("run `make bench-steps`: it installs what Dropslot is measured beside")
    console = Console()
    with ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        memory = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=_MEMORY))) if _MEMORY.is_dir() else None
        backend = stack.enter_context(running_backend())
        environment = local_environment(
            os.environ, region=REGION, dynamodb_endpoint=backend.endpoint, kinesis_endpoint="http://127.0.0.1:9"
        ) | {
            "AWS_LAMBDA_FUNCTION_NAME": "bench",
            "DROPSLOT_HANDLER": "bench_flow_handler:handle",
            "DROPSLOT_FRESH_SECONDS": "60",
            "DROPSLOT_LOG_LEVEL": "ERROR",
        }
        for name in ("disk", "ways", "calls"):
            (work / name).mkdir()

        ways = flows.ways(work / "disk", memory)
        by_concurrency = flows.measure(
            backend,
            ways,
            others_python=OTHERS_PYTHON,
            environment=environment,
            work=work / "ways",
            console=console,
        )
        for at_once, figures in by_concurrency.items():
            how = f"{flows.FLOWS} at once" if at_once else "one after the other"
            title = f"a flow of 5 steps, {how}, {flows.ROUNDS} rounds, medians"
            print_figures(console, title, "us", figures, base=next(iter(ways)))

        calls.show(console, backend, environment=environment, work=work / "calls")

        revision = plain.revision_before()
        before = plain.unpack(revision, work / "before") if revision is not None else None
        if before is None:
            console.print("no tree without steps to measure beside: git doesn't have one here")
            return
        plain_figures = {
            name: plain.measure(
                backend, before, setting, environment=environment, work=work / f"plain-{number}", console=console
            )
            for number, (name, setting) in enumerate(plain.SETTINGS.items())
        }
        plain.print_ratios(console, plain_figures)


if __name__ == "__main__":
    main()
