"""Plays one seed again: ``python -m tests.simulation SEED [--trace]``."""

import argparse
import sys

from tests.simulation.play import play


def main() -> int:
    """Play the seed; print its history and return 1 if a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation")
    parser.add_argument("seed", type=int)
    parser.add_argument("--trace", action="store_true", help="print all of the history, broken promise or not")
    chosen = parser.parse_args()
    report = play(chosen.seed, trace=chosen.trace)
    for line in report.lines:
        print(line)  # noqa: T201
    faults = ", ".join(sorted(report.faults)) or "no faults"
    print(f"seed {report.seed}, {report.world}: {report.requests} requests, {report.runs} runs, {report.steps} events")  # noqa: T201
    print(f"struck by {faults}")  # noqa: T201
    print(f"BROKEN: {report.violation}" if report.violation else "all promises kept")  # noqa: T201
    return 1 if report.violation else 0


if __name__ == "__main__":
    sys.exit(main())
