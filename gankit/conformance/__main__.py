"""`python -m gankit.conformance --backend NAME`: the suite as a table, and as an exit code."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict

from gankit.conformance.results import Result, counts
from gankit.conformance.subject import registered
from gankit.conformance.suite import GROUPS, run_checks, shortfalls, summary
from gankit.errors import GankitError

WIDTHS = (11, 52, 15)


def main(argv: Sequence[str] | None = None) -> int:
    """Run, print, and return the exit code: 0 when nothing failed, 1 when something did, 2 when nothing could run."""
    options = parse(argv)
    # Threads cost more than they bring on networks this small, many times more where the machine is shared. Set before
    # any framework is imported; a setting of the user's own stays.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    try:
        subject = registered(options.backend, quick=options.quick, device=options.device)
    except GankitError as error:
        print(error, file=sys.stderr)
        return 2
    if not options.json:
        print(row("group", "check", "result", "seconds"))
    results = run_checks(subject, options.only, lambda result: None if options.json else show(result))
    short = shortfalls(results)
    if options.json:
        counted = {"backend": options.backend, "counts": counts(results), "shortfalls": short}
        print(json.dumps({**counted, "results": [asdict(result) for result in results]}, indent=1))
    else:
        print("\n".join(["", summary(results), *short]))
    return 1 if short or counts(results)["fail"] else 0


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m gankit.conformance", description="Judge a backend of gankit.")
    parser.add_argument("--backend", required=True, help="an installed backend, such as torch or jax")
    parser.add_argument("--device", default="auto", help="where it computes")
    parser.add_argument(
        "--only", action="append", default=[], choices=list(GROUPS), metavar="GROUP", help=f"of {', '.join(GROUPS)}"
    )
    parser.add_argument("--quick", action="store_true", help="shorter trajectories")
    parser.add_argument("--json", action="store_true", help="results as JSON instead of a table")
    return parser.parse_args(argv)


def show(result: Result) -> None:
    """One line of the table, with the message below it."""
    print(row(result.group, result.check, result.outcome, f"{result.seconds:7.2f}"), flush=True)
    for line in result.message.splitlines():
        print(f"    {line}", flush=True)


def row(*cells: str) -> str:
    """Cells in columns; the last is not padded."""
    return " ".join([*(cell.ljust(width) for cell, width in zip(cells, WIDTHS, strict=False)), cells[-1]])


if __name__ == "__main__":
    sys.exit(main())
