"""`python -m interop`: every stack does the integrator's day. Exits with 1 when there is a hole."""

from __future__ import annotations

import argparse
import os
import sys

from rich.console import Console

from interop import report, runner
from interop.service import ROOT, ServiceTrouble, running_service, stop_on_signals


def main() -> int:
    """Run the stacks of the command line; all of them unless told otherwise."""
    every = runner.stacks()
    parser = argparse.ArgumentParser(prog="python -m interop", description=__doc__)
    parser.add_argument(
        "--only", action="append", metavar="STACK", choices=every, help=f"one of {', '.join(every)}"
    )
    parser.add_argument(
        "--jobs",
        type=int,
        default=len(os.sched_getaffinity(0)),
        metavar="N",
        help="stacks at a time; default: cores",
    )
    arguments = parser.parse_args()
    names = [name for name in every if not arguments.only or name in arguments.only]
    stop_on_signals()
    if not arguments.only:
        report.require_markers()
    progress = Console(stderr=True, highlight=False)
    outcomes = []
    trouble = ""
    try:
        with running_service(names) as service:
            progress.print(f"the service is at {service.url}")
            for outcome in runner.run(names, service, max(1, arguments.jobs)):
                outcomes.append(outcome)
                progress.print(
                    f"{outcome.stack} {outcome.verdict.version}: {len(outcome.verdict.passed)} checks passed,"
                    f" {len(outcome.verdict.holes)} holes"
                )
    except ServiceTrouble as error:
        trouble = str(error)
    console = Console(width=None if sys.stdout.isatty() else 170)
    if len(outcomes) == len(names):
        report.show(outcomes, console)
        if not arguments.only:
            report.write(outcomes)
            progress.print(f"written: {report.INDEX.relative_to(ROOT)}")
    if trouble:
        console.print(trouble, markup=False, highlight=False)
    return 1 if trouble or any(outcome.verdict.holes for outcome in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
